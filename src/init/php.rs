//! Which runner a PHP project asks for.

use super::{Choice, Seen, holds};

/// PHPUnit where it is configured, required, or used.
pub(super) fn runner(seen: &Seen) -> anyhow::Result<Option<Choice>> {
    let choice = |why| {
        Ok(Some(Choice {
            dir: String::new(),
            features: Vec::new(),
            custom: None,
            value: "phpunit",
            why,
        }))
    };
    for path in seen.files {
        let is_config = matches!(
            path.as_bytes(),
            b"phpunit.xml" | b"phpunit.xml.dist" | b"phpunit.dist.xml"
        );
        if is_config {
            return choice(format!("there is `{path}`"));
        }
        if path.as_bytes() == b"composer.json"
            && (seen.read)(path)?.is_some_and(|content| holds(&content, b"phpunit/phpunit"))
        {
            return choice(format!("`{path}` names it"));
        }
    }
    for path in seen
        .files
        .iter()
        .filter(|path| path.file_name().ends_with(b"Test.php"))
    {
        if (seen.read)(path)?.is_some_and(|content| holds(&content, b"TestCase")) {
            return choice(format!("`{path}` holds a test case"));
        }
    }
    Ok(None)
}
