//! The sources of a policy: where production errors live.

use std::collections::BTreeMap;

use super::file::{Entries, Said};
use super::merge::{Layer, Merge, Read};
use super::{SourceConfig, SourceKind, later, value};

impl Merge<'_> {
    pub(super) fn sources(&mut self) -> Read<Vec<SourceConfig>> {
        let mut sources: Vec<SourceConfig> = Vec::new();
        let layers = self.layers;
        for layer in layers {
            for at in layer.shape().sources.0.iter().flat_map(|list| &list.value) {
                let entry = &at.value;
                let missing =
                    |key: &str| layer.wrong(at, format!("this entry of `sources` has no `{key}`"));
                let name = entry.name.0.as_ref().ok_or_else(|| missing("name"))?;
                let kind = entry.kind.0.as_ref().ok_or_else(|| missing("kind"))?;
                value::identifier(&name.value).map_err(|err| layer.wrong(name, err))?;
                if sources.iter().any(|other| other.name == name.value) {
                    return Err(layer.wrong(
                        name,
                        format!("name `{}` stands in `sources` twice", name.value),
                    ));
                }
                if later::SOURCES.contains(&kind.value.as_str()) {
                    let message = format!(
                        "kind `{}` is not supported by this version of koan-guard",
                        kind.value
                    );
                    return Err(layer.wrong(kind, message));
                }
                value::choice(&kind.value, &[("sqlite", ())])
                    .map_err(|err| layer.wrong(kind, err))?;
                let path = entry.path.0.as_ref().ok_or_else(|| missing("path"))?;
                let table = entry.table.0.as_ref().ok_or_else(|| missing("table"))?;
                for text in [path, table] {
                    value::plain_text(&text.value).map_err(|err| layer.wrong(text, err))?;
                }
                let columns = columns(layer, &entry.columns)?;
                let shown = format!(
                    "sqlite {} table {} columns {columns:?}",
                    path.value, table.value
                );
                self.note(
                    format!("sources.{}", name.value),
                    shown,
                    layer.origin(at.line),
                );
                sources.push(SourceConfig {
                    name: name.value.clone(),
                    kind: SourceKind::Sqlite {
                        path: path.value.clone(),
                        table: table.value.clone(),
                        columns,
                    },
                });
            }
        }
        Ok(sources)
    }
}

fn columns(layer: &Layer, said: &Said<Entries<String>>) -> Read<BTreeMap<String, String>> {
    let mut columns = BTreeMap::new();
    for (name, column) in said.0.iter().flat_map(|at| &at.value.0) {
        if !later::COLUMNS.contains(&name.value.as_str()) {
            return Err(layer.wrong(name, value::unknown("column", &name.value, later::COLUMNS)));
        }
        value::plain_text(&column.value).map_err(|err| layer.wrong(column, err))?;
        columns.insert(name.value.clone(), column.value.clone());
    }
    Ok(columns)
}
