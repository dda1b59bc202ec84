//! What a node says, before anybody sees it: a terminal would do what its escape sequences say, and draw its text in whatever
//! order its marks of direction say.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The text without what steers a terminal.
pub(crate) fn text(said: &str) -> String {
    said.chars().filter(|c| !steers(*c)).collect()
}

/// A JSON document, all of its texts without what steers a terminal.
///
/// # Errors
/// It is no document of this type.
pub(crate) fn document<T: DeserializeOwned>(said: &[u8]) -> serde_json::Result<T> {
    let mut value: Value = serde_json::from_slice(said)?;
    disarm(&mut value);
    serde_json::from_value(value)
}

fn disarm(value: &mut Value) {
    match value {
        Value::String(said) if said.chars().any(steers) => *said = text(said),
        Value::Array(values) => values.iter_mut().for_each(disarm),
        Value::Object(fields) => fields.values_mut().for_each(disarm),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Control characters, and the embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX 9, section 2).
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_commands_no_terminal() {
        assert_eq!(text("Al\u{1b}[2Jp\u{9b}net"), "Al[2Jpnet");
        assert_eq!(text("\u{202e}Bol\u{2066}z\nano"), "Bolzano");
    }

    #[test]
    fn all_texts_of_a_document_are_read_and_nothing_else_is_changed() {
        let said = br#"{"a": ["x\u001b[2J", {"b": "y\u0007"}], "c": 1.5, "d": null}"#;
        let value: Value = document(said).expect("a document");
        assert_eq!(
            value,
            serde_json::json!({"a": ["x[2J", {"b": "y"}], "c": 1.5, "d": null})
        );
        assert!(document::<u8>(b"\"9\"").is_err());
    }
}
