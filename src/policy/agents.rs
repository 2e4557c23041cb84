//! Marks by which known agents are recognised: exact names, as data.
