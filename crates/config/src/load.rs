//! Loads the configuration from files, the environment and the command line.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use yaml::{Diagnostic, Kind, Limits, Node, Severity, Source, Style, parse};

use super::{
    Config, ConfigError, ConfigFile, Loaded, Strategy, apply::Layers, keys, missing, path, secrets,
};

/// The file that is read if the command line names none, and if it exists.
pub(super) const DEFAULT_FILE: &str = "/etc/falco/falco.yaml";

/// The key with the files to merge in.
const CONFIG_FILES: &str = "config_files";

/// The inputs of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The file on the command line.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The `key=value` options of the command line, in order.
    pub overrides: Vec<String>,
}

impl Inputs {
    /// A file and overrides from the command line, with the environment of this process.
    #[must_use]
    pub fn new(file: Option<PathBuf>, overrides: Vec<String>) -> Self {
        let text = |s: std::ffi::OsString| s.into_string().ok();
        Self {
            file,
            environment: std::env::vars_os()
                .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
                .collect(),
            overrides,
        }
    }
}

/// Reads the configuration.
///
/// # Errors
/// If a file cannot be read, or a value is invalid; all errors are reported at once.
pub fn load(inputs: &Inputs) -> Result<Loaded, ConfigError> {
    let mut loader = Loader {
        inputs,
        layers: Layers::default(),
        files: Vec::new(),
    };
    loader.defaults();
    if let Some(file) = &inputs.file {
        loader.file(file, None)?;
    } else if Path::new(DEFAULT_FILE).exists() {
        loader.file(Path::new(DEFAULT_FILE), None)?;
    }
    loader.overrides(|name| name == CONFIG_FILES);
    loader.config_files()?;
    loader.environment();
    loader.overrides(|name| name != CONFIG_FILES);
    let Loader {
        mut layers, files, ..
    } = loader;
    let config = &mut layers.config;
    config.optional_rules_files.clone_from(&config.rules_files);
    layers.errors.extend(missing(config));
    let is_strict = config.sensor.strict_config;
    // Falco loads only those plugins of the list that the other list names.
    if layers.was_given("load_plugins") {
        let is_about_all = |warning: &Diagnostic| warning.message.starts_with("'plugins'");
        layers.warnings.retain(|warning| !is_about_all(warning));
    }
    let mistakes = std::mem::take(&mut layers.mistakes);
    if is_strict {
        layers
            .errors
            .extend(mistakes.into_iter().map(|mistake| Diagnostic {
                severity: Severity::Error,
                ..mistake
            }));
    } else {
        layers.warnings.extend(mistakes);
    }
    for told in layers.errors.iter_mut().chain(&mut layers.warnings) {
        secrets::hide(told);
    }
    if !layers.errors.is_empty() {
        return Err(ConfigError::Invalid {
            problems: layers.errors,
            files,
        });
    }
    let digest = Sha256::digest(super::print(&layers.config));
    Ok(Loaded {
        config: layers.config,
        warnings: layers.warnings,
        files,
        digest: hex(&digest),
    })
}

struct Loader<'a> {
    inputs: &'a Inputs,
    layers: Layers,
    files: Vec<PathBuf>,
}

impl Loader<'_> {
    /// Takes values from the environment variables of Falco and Kubernetes.
    fn defaults(&mut self) {
        let variable = |name| self.inputs.environment.get(name).filter(|v| !v.is_empty());
        let sensor = &mut self.layers.config.sensor;
        sensor.node = variable("NODE_NAME").cloned();
        sensor.hostname = variable("FALCO_HOSTNAME")
            .or(variable("NODE_NAME"))
            .cloned();
        if let Some(root) = variable("HOST_ROOT") {
            sensor.host_root = root.into();
        }
    }

    /// Reads the main file, or a file to merge in.
    fn file(&mut self, path: &Path, merged: Option<Strategy>) -> Result<(), ConfigError> {
        let bytes = fs::read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        self.files.push(path.to_owned());
        let source = Source::new(path.to_string_lossy(), yaml::decode(&bytes));
        if let Some(document) = self.parse(&source) {
            let document = self.expand(document);
            if merged.is_some() {
                self.refuse_nesting(&source, &document);
            }
            let strategy = merged.unwrap_or(Strategy::Override);
            self.layers.document(&source, "", &document, strategy);
        }
        Ok(())
    }

    /// A merged file cannot name further files, as in Falco.
    fn refuse_nesting(&mut self, source: &Source, document: &Node) {
        if let Some((key, _)) = document.entry(CONFIG_FILES) {
            let message = format!("{CONFIG_FILES} in a file that {CONFIG_FILES} names");
            self.layers.errors.push(
                Diagnostic::error(source, key.position, message)
                    .width(CONFIG_FILES.len())
                    .hint("name all files in the main one, or by -o"),
            );
        }
    }

    fn parse(&mut self, source: &Source) -> Option<Node> {
        // As in Falco, a configuration is the first document.
        let limits = Limits {
            documents: 1,
            ..Limits::default()
        };
        match parse(source, &limits) {
            Ok(parsed) => {
                self.layers.mistakes.extend(parsed.warnings);
                parsed.documents.into_iter().next()
            }
            Err(error) => {
                self.layers.errors.push(error);
                None
            }
        }
    }

    /// Replaces `${NAME}` in values by an environment variable, and `$${` by `${`.
    fn expand(&self, mut node: Node) -> Node {
        match &mut node.kind {
            Kind::Scalar(text, _) if text.contains("${") => *text = self.expand_text(text).into(),
            Kind::Scalar(..) => {}
            Kind::Sequence(items) => {
                for item in items {
                    *item = self.expand(item.clone());
                }
            }
            Kind::Mapping(entries) => {
                for (_, value) in entries {
                    *value = self.expand(value.clone());
                }
            }
        }
        node
    }

    fn expand_text(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(literal) = before.strip_suffix('$') {
                out += literal;
                out += "${";
                rest = &from[2..];
            } else if let Some(end) = from.find('}') {
                out += before;
                let value = self.inputs.environment.get(&from[2..end]);
                out += value.map_or("", String::as_str);
                rest = &from[end + 1..];
            } else {
                break;
            }
        }
        out + rest
    }

    fn config_files(&mut self) -> Result<(), ConfigError> {
        let default = Config::default().config_files;
        for ConfigFile { path, strategy } in self.layers.config.config_files.clone() {
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() => {
                    for file in yaml_files(&path)? {
                        self.file(&file, Some(strategy))?;
                    }
                    self.files.push(path);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if default.iter().all(|default| default.path != path) {
                        let source = Source::new(path.to_string_lossy(), "");
                        let message = "no such file or directory: left out of the configuration";
                        self.layers.warnings.push(Diagnostic::warning(
                            &source,
                            source.position(0),
                            message,
                        ));
                    }
                    self.files.push(path);
                }
                _ => self.file(&path, Some(strategy))?,
            }
        }
        Ok(())
    }

    /// The variable of a key: `SENSOR_CAPTURE_HOOKS` for `sensor.capture.hooks`.
    fn environment(&mut self) {
        let inputs = self.inputs;
        for key in keys().iter().filter(|key| !key.falco) {
            let variable = key.name.to_ascii_uppercase().replace('.', "_");
            let Some(value) = inputs.environment.get(&variable) else {
                continue;
            };
            let source = Source::new(format!("environment variable {variable}"), value);
            let Some(node) = self.parse(&source) else {
                continue;
            };
            let node = if key.ty.contains("a list") && node.as_bool().is_none() {
                split(node)
            } else {
                node
            };
            self.layers
                .document(&source, key.name, &node, Strategy::Override);
        }
        let known: Vec<String> = keys()
            .iter()
            .map(|key| key.name.to_ascii_uppercase().replace('.', "_"))
            .collect();
        for variable in inputs.environment.keys() {
            if !variable.starts_with("SENSOR_") || known.contains(variable) {
                continue;
            }
            // Kubernetes sets variables for a service with such a name: the sensor ignores them.
            if let Some(name) = yaml::nearest(variable, known.iter().map(String::as_str)) {
                let source = Source::new("environment", variable);
                let message = format!("variable {variable} is not known");
                self.layers.mistakes.push(
                    Diagnostic::warning(&source, source.position(0), message)
                        .hint(format!("did you mean {name}?")),
                );
            }
        }
    }

    /// Applies `key=value`, `list[]=value` and `list[2].key=value` for the first names that
    /// `wanted` accepts.
    fn overrides(&mut self, wanted: impl Fn(&str) -> bool) {
        for text in &self.inputs.overrides {
            let end = text.find(['=', '[', '.']).unwrap_or(text.len());
            if !wanted(text[..end].trim()) {
                continue;
            }
            let source = Source::new("-o", "");
            let mut wrong = |message: String, hint: &str| {
                let error = Diagnostic::error(&source, source.position(0), message);
                self.layers.errors.push(error.hint(hint));
            };
            let Some((name, value)) = text.split_once('=') else {
                wrong(format!("'{text}' has no '='"), "write -o key=value");
                continue;
            };
            let name = name.trim();
            let steps = match path::parse(name) {
                Ok(steps) => steps,
                Err(problem) => {
                    let hint = "write -o key=value, list[]=value or list[0].key=value";
                    wrong(format!("'{name}': {problem}"), hint);
                    continue;
                }
            };
            if let Some((source, node)) = self.option_value(name, value) {
                self.layers.path(&source, &steps, &node);
            }
        }
    }

    /// The value of an option: as in Falco a text, unless it stands in braces. A list in brackets
    /// is a list here.
    fn option_value(&mut self, name: &str, value: &str) -> Option<(Source, Node)> {
        let is_in = |open, close| value.starts_with(open) && value.ends_with(close);
        let source = Source::new("-o", value);
        if is_in('{', '}') {
            let node = self.parse(&Source::new(format!("-o {name}"), value))?;
            return Some((source, node));
        }
        if is_in('[', ']')
            && let Ok(parsed) = parse(&source, &Limits::default())
            && let Some(node) = parsed.documents.into_iter().next()
        {
            return Some((source, node));
        }
        let source = Source::new("-o", "");
        let position = source.position(0);
        let style = if value.is_empty() {
            Style::DoubleQuoted
        } else {
            Style::Plain
        };
        let kind = Kind::Scalar(value.into(), style);
        Some((source, Node { kind, position }))
    }
}

/// A list in one text: `a,b,c`.
fn split(mut node: Node) -> Node {
    if let Some(text) = node.as_str() {
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        let items = items
            .map(|item| Node {
                kind: Kind::Scalar(item.into(), Style::DoubleQuoted),
                position: node.position,
            })
            .collect();
        node.kind = Kind::Sequence(items);
    }
    node
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

fn yaml_files(directory: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let wrong = |source| ConfigError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let known = path
            .extension()
            .is_some_and(|ext| ext == "yaml" || ext == "yml");
        if known && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
