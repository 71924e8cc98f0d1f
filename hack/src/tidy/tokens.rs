//! The names and signs of a Rust file: what is left when space, comments and literals are gone.
//!
//! Pure. Just enough of a lexer to know where a string or a comment ends.

/// A name or a sign, with the line where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// The names and signs of a Rust file; space, comments and literals are left out.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: text, line: 1 };
    let mut tokens = Vec::new();
    while !lexer.rest.is_empty() {
        let line = lexer.line;
        if let Some(text) = lexer.next() {
            tokens.push(Token { text, line });
        }
    }
    tokens
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl Lexer<'_> {
    /// The next name or sign; nothing for space, comments and literals.
    fn next(&mut self) -> Option<String> {
        let length = self.blank();
        if length > 0 {
            self.take(length);
            return None;
        }
        let name = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let length = match self.rest {
            rest if name > 0 => name.min(rest.len()),
            rest if rest.starts_with("::") => 2,
            rest => rest.chars().next().map_or(1, char::len_utf8),
        };
        Some(self.take(length))
    }

    fn take(&mut self, length: usize) -> String {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken.to_owned()
    }

    /// How much of what comes next says nothing.
    fn blank(&self) -> usize {
        let rest = self.rest;
        let space = rest.len() - rest.trim_start().len();
        match rest {
            _ if space > 0 => space,
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => block_comment(rest),
            _ if rest.starts_with('"') => quoted(rest),
            _ if rest.starts_with("b\"") => 1 + quoted(&rest[1..]),
            _ if rest.starts_with(['r', 'b']) => raw_string(rest),
            _ if rest.starts_with('\'') => character(rest),
            _ => 0,
        }
    }
}

/// Rust's block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `br#"…"#`; 0 when it is only a name that begins so.
fn raw_string(rest: &str) -> usize {
    let prefix = if rest.starts_with("br") { 2 } else { 1 };
    if !rest[..prefix].ends_with('r') {
        return 0;
    }
    let hashes = rest[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let open = prefix + hashes;
    if rest.as_bytes().get(open) != Some(&b'"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    rest[open + 1..].find(&close).map_or(rest.len(), |at| open + 1 + at + close.len())
}

/// `'a'`, `'\n'`; for a lifetime only its apostrophe.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3.min(rest.len())..].find('\'').map_or(1, |at| at + 4),
        Some((at, inner)) if rest[at + inner.len_utf8()..].starts_with('\'') => at + inner.len_utf8() + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        tokens(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn literals_and_comments_leave_nothing() {
        assert_eq!(texts("a \"b \\\" c\" d // e\nf /* g /* h */ i */ j"), ["a", "d", "f", "j"]);
        assert_eq!(texts("a r#\"b \"c\" \"# d br\"e\" b\"f\" g"), ["a", "d", "g"]);
        assert_eq!(texts("'\"' a '\\'' b 'x' c"), ["a", "b", "c"]);
    }

    #[test]
    fn a_lifetime_is_not_the_beginning_of_a_literal() {
        assert_eq!(texts("&'a str, 'b'"), ["&", "a", "str", ","]);
    }

    #[test]
    fn names_that_begin_like_raw_strings_are_names() {
        assert_eq!(texts("r br rest::x"), ["r", "br", "rest", "::", "x"]);
    }
}
