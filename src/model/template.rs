//! What the body and the language of a template must be.

use thiserror::Error;

/// What is wrong with the body of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TemplateFault {
    /// A placeholder is not closed.
    #[error(
        "the {{{{ at character {0} lacks its }}}}: write a placeholder as in {{{{1}}}} or {{{{name}}}}; \
         a single brace is text"
    )]
    Unclosed(usize),
    /// A placeholder has no name.
    #[error("the placeholder at character {0} has no name: write {{{{1}}}} or {{{{name}}}}")]
    Unnamed(usize),
}

/// Checks the placeholders of a body; single braces are text.
///
/// # Errors
/// The first placeholder that is not closed or has no name, by the number of its first character.
pub fn check_template_body(body: &str) -> Result<(), TemplateFault> {
    let mut rest = body;
    while let Some((_, placeholder)) = rest.split_once("{{") {
        let start = body.len() - placeholder.len() - 2;
        let place = body[..start].chars().count() + 1;
        let unclosed = TemplateFault::Unclosed(place);
        let (name, after) = placeholder.split_once("}}").ok_or(unclosed)?;
        if name.contains("{{") {
            return Err(unclosed);
        }
        if name.trim().is_empty() {
            return Err(TemplateFault::Unnamed(place));
        }
        rest = after;
    }
    Ok(())
}

/// Whether this is like the code of a language: `en`, `pt_BR`, `zh-Hans-CN`.
#[must_use]
pub fn is_language(code: &str) -> bool {
    let mut parts = code.split(['_', '-']);
    let first = parts.next().unwrap_or_default();
    let is_name =
        (2..=3).contains(&first.len()) && first.bytes().all(|it| it.is_ascii_alphabetic());
    let rest: Vec<&str> = parts.collect();
    let is_part = |part: &&str| {
        (2..=8).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_alphanumeric())
    };
    is_name && rest.len() <= 3 && rest.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_closed_and_has_a_name() {
        let cases = [
            ("Hi {{1}}, order {{order_id}} for {{ name }}", Ok(())),
            ("", Ok(())),
            ("a { b } c {d} }} {", Ok(())),
            ("Hi {{1", Err(TemplateFault::Unclosed(4))),
            ("Hé {{1} and }", Err(TemplateFault::Unclosed(4))),
            ("{{1 and {{2}}", Err(TemplateFault::Unclosed(1))),
            ("{{1}} {{", Err(TemplateFault::Unclosed(7))),
            ("Hi {{}}", Err(TemplateFault::Unnamed(4))),
            ("Hi {{ \t}}", Err(TemplateFault::Unnamed(4))),
        ];
        for (body, expected) in cases {
            assert_eq!(check_template_body(body), expected, "{body:?}");
        }
        let fault = TemplateFault::Unclosed(4).to_string();
        assert!(
            fault.starts_with("the {{ at character 4 lacks its }}: "),
            "{fault}"
        );
    }

    #[test]
    fn a_language_is_identified_by_its_form() {
        for code in [
            "en",
            "fil",
            "pt_BR",
            "pt-br",
            "zh-Hans-CN",
            "zh_Hant_HK",
            "es-419",
            "ca-ES-valencia",
        ] {
            assert!(is_language(code), "{code}");
        }
        for code in [
            "", "e", "english", "en ", "en_", "_US", "en__US", "e1", "en US", "en_US!", "en/US",
            "pt_B", "日本",
        ] {
            assert!(!is_language(code), "{code}");
        }
    }
}
