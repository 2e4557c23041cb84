//! The pure comparison of runs: pairs of outcomes in, proof or gaps and doubts out.
