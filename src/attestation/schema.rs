//! The JSON Schema of a statement, for whoever reads notes without us: derived from the shapes that are written.

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;

    use super::super::{PREDICATE_TYPE, STATEMENT_TYPE, Statement};

    fn schema() -> String {
        let settings = SchemaSettings::draft2020_12();
        let generator = settings.into_generator();
        let mut schema = generator.into_root_schema_for::<Statement>();
        schema.insert("title".to_owned(), "Statement of koan-guard".into());
        let mut value = schema.to_value();
        let kinds = [("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)];
        for (name, kind) in kinds {
            value["properties"][name]["const"] = kind.into();
        }
        format!("{value:#}\n")
    }

    #[test]
    fn the_published_schema_is_that_of_what_is_written() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/statement.schema.json");
        let schema = schema();
        if std::env::var_os("KOAN_WRITE_DOCS").is_some() {
            std::fs::write(path, &schema).expect("write");
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            published, schema,
            "docs/statement.schema.json is not current; write it anew with `KOAN_WRITE_DOCS=1 cargo test --lib published_schema`"
        );
    }
}
