//! The presets that are shipped in `policies/`.

/// Names and texts. They have the shape of a policy and go through the same parser.
pub(super) const PRESETS: &[(&str, &str)] = &[
    (DEFAULT, include_str!("../../policies/default.yaml")),
    ("python", include_str!("../../policies/python.yaml")),
    ("rust", include_str!("../../policies/rust.yaml")),
    ("strict", include_str!("../../policies/strict.yaml")),
];

/// The preset that has a value for everything: what nobody says is as it is here.
pub(super) const DEFAULT: &str = "default";

pub(super) fn text_of(name: &str) -> Option<&'static str> {
    PRESETS
        .iter()
        .find(|(preset, _)| *preset == name)
        .map(|&(_, text)| text)
}
