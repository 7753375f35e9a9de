//! An entry of `config_files`: what is merged in, and how.

use std::path::PathBuf;

use yaml::Node;

use super::setting::{Element, Setting};

/// A file or directory of configuration that is merged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// What its values do to those given before.
    pub strategy: Strategy,
}

/// What a value does to one that was given before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// A list is appended, any other value replaces the former.
    #[default]
    Append,
    /// It replaces the former.
    Override,
    /// The former stays.
    AddOnly,
}

impl From<PathBuf> for ConfigFile {
    fn from(path: PathBuf) -> Self {
        Self {
            path,
            strategy: Strategy::default(),
        }
    }
}

impl Setting for ConfigFile {
    const TYPE: &'static str = "a path or a mapping";

    fn read(node: &Node) -> Option<Self> {
        let Some(entries) = node.as_mapping() else {
            return PathBuf::read(node).map(Self::from);
        };
        let (mut path, mut strategy) = (None, Strategy::default());
        for (key, value) in entries {
            match key.as_str()? {
                "path" => path = Some(PathBuf::read(value)?),
                "strategy" => strategy = Strategy::read(value)?,
                _ => return None,
            }
        }
        path.map(|path| Self { path, strategy })
    }

    fn show(&self) -> String {
        let path = self.path.show();
        match self.strategy {
            Strategy::Append => path,
            strategy => format!("{{path: {path}, strategy: {}}}", strategy.show()),
        }
    }
}

impl Element for ConfigFile {
    const LIST: &'static str =
        "a list of paths or of mappings with path and strategy (append, override or add-only)";
}
