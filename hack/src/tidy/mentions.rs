//! The paths that a Rust file mentions, in `use` trees and in expressions, each from its crate on.
//!
//! Pure, and a reader of tokens rather than a parser: `#[cfg(test)]` items do not count, macros do.

use super::tokens::{Token, tokens};

/// A path, with the line where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

/// A path that `use` brings in, and the name that it gets.
struct Import {
    mention: Mention,
    name: String,
}

/// All paths of two or more segments, and every `use`, with `crate`, `self` and `super` resolved for `module`.
pub(super) fn mentions(module: &[String], text: &str) -> Vec<Mention> {
    let tokens = without_tests(&tokens(text));
    let (mut imports, mut found) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].text == "use" {
            at = use_tree(&tokens, at + 1, &[], &mut imports);
        } else if is_name(&tokens[at].text) && text_at(&tokens, at + 1) == "::" {
            at = path(&tokens, at, &mut found);
        } else {
            at += 1;
        }
    }
    for mention in &mut found {
        mention.path = spell_out(&mention.path, &imports);
    }
    found.extend(imports.into_iter().map(|import| import.mention));
    for mention in &mut found {
        mention.path = resolve(module, &mention.path);
    }
    found
}

/// `net::TcpStream` after `use std::net` is `std::net::TcpStream`.
fn spell_out(path: &[String], imports: &[Import]) -> Vec<String> {
    let import = imports.iter().find(|import| import.name == path[0]);
    import.map_or_else(|| path.to_vec(), |import| [&import.mention.path, &path[1..]].concat())
}

fn text_at(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// `a::b::c` in an expression or a type; returns where it ends.
fn path(tokens: &[Token], mut at: usize, found: &mut Vec<Mention>) -> usize {
    let line = tokens[at].line;
    let mut path = vec![tokens[at].text.clone()];
    at += 1;
    while text_at(tokens, at) == "::" && is_name(text_at(tokens, at + 1)) {
        path.push(tokens[at + 1].text.clone());
        at += 2;
    }
    found.push(Mention { path, line });
    at.max(1)
}

/// `a::{b, c::d as e, *}` after `use`, or within braces; returns where it ends.
fn use_tree(tokens: &[Token], mut at: usize, before: &[String], found: &mut Vec<Import>) -> usize {
    let mut path = before.to_vec();
    let mut alias = None;
    let line = tokens.get(at).map_or(0, |token| token.line);
    while at < tokens.len() {
        match text_at(tokens, at) {
            "::" => at += 1,
            "{" => return use_group(tokens, at + 1, &path, found),
            "as" => {
                alias = Some(text_at(tokens, at + 1).to_owned());
                at += 2;
            }
            name if is_name(name) || name == "*" => {
                path.push(name.to_owned());
                at += 1;
            }
            _ => break,
        }
    }
    // `use a::{self}` brings in `a`.
    if path.len() > 1 && path.last().is_some_and(|name| name == "self") {
        path.pop();
    }
    let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
    if !path.is_empty() {
        found.push(Import { mention: Mention { path, line }, name });
    }
    at
}

fn use_group(tokens: &[Token], mut at: usize, path: &[String], found: &mut Vec<Import>) -> usize {
    while at < tokens.len() && text_at(tokens, at) != "}" {
        let end = use_tree(tokens, at, path, found);
        // A token that no tree begins with, such as the comma: step over it.
        at = if end == at || text_at(tokens, end) == "," { end + 1 } else { end };
    }
    at + 1
}

fn resolve(module: &[String], path: &[String]) -> Vec<String> {
    let mut base = match path.first().map(String::as_str) {
        Some("crate") => module[..1].to_vec(),
        Some("self" | "super") => module.to_vec(),
        _ => Vec::new(),
    };
    for (index, segment) in path.iter().enumerate() {
        match segment.as_str() {
            "super" => drop(base.pop()),
            "crate" | "self" => {}
            // What std passes on is the same thing under its older names.
            "core" | "alloc" if index == 0 => base.push("std".into()),
            name => base.push(name.trim_start_matches("rebound_").to_owned()),
        }
    }
    base
}

/// Leaves out every item behind `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let here = tokens[at..].iter().map(|token| token.text.as_str());
        if here.take(TEST.len()).eq(TEST) {
            at = end_of_item(tokens, at + TEST.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < tokens.len() {
        match text_at(tokens, at) {
            "{" => depth += 1,
            "}" if depth <= 1 => return at + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(module: &str, text: &str) -> Vec<String> {
        let module: Vec<_> = module.split("::").map(str::to_owned).collect();
        mentions(&module, text).into_iter().map(|mention| mention.path.join("::")).collect()
    }

    #[test]
    fn use_trees_are_spelled_out() {
        let text = "use std::{fs, net::{TcpStream, UdpSocket as U}, fmt::*};\npub(crate) use kube;";
        let expected = ["std::fs", "std::net::TcpStream", "std::net::UdpSocket", "std::fmt::*", "kube"];
        assert_eq!(paths("operator::build", text), expected);
    }

    #[test]
    fn paths_in_expressions_and_types_count() {
        let text = "fn f(x: kube::Client) -> u8 { let y = std::fs::read::<u8>(x)?; y.len() }";
        assert_eq!(paths("operator::build", text), ["kube::Client", "std::fs::read"]);
    }

    #[test]
    fn relative_paths_are_resolved() {
        let text = "use super::budget; use crate::io::Stream; use self::inner::X; use rebound_api::config;";
        let expected = [
            "dataplane::retry::budget",
            "dataplane::io::Stream",
            "dataplane::retry::decide::inner::X",
            "api::config",
        ];
        assert_eq!(paths("dataplane::retry::decide", text), expected);
        assert_eq!(paths("operator::build", "use core::cell::Cell;"), ["std::cell::Cell"]);
    }

    #[test]
    fn imported_names_are_spelled_out() {
        let text =
            "use std::{net::{self as n}, fs::{self}}; fn f() { n::TcpStream::connect(x); fs::read(y); }";
        let expected = ["std::net::TcpStream::connect", "std::fs::read", "std::net", "std::fs"];
        assert_eq!(paths("operator::build", text), expected);
    }

    #[test]
    fn comments_strings_and_tests_do_not_count() {
        let text = r##"
            // use kube::Client;
            /* monoio::spawn /* nested */ kube::X */
            const A: &str = "kube::Client \" std::fs::x";
            const B: &str = r#"kube::Api "quoted" "#;
            const C: char = '"'; const D: char = '\''; fn f<'a>(x: &'a str) {}
            #[cfg(test)]
            mod tests { use tokio::time; fn g() { std::fs::read("x"); } }
            use serde::Serialize;
        "##;
        assert_eq!(paths("dataplane::route", text), ["serde::Serialize"]);
    }

    #[test]
    fn lines_are_counted_through_literals() {
        let module = ["dataplane".to_owned()];
        let text = "const A: &str = \"a\nb\";\n/* x\n */\nuse monoio::spawn;";
        assert_eq!(mentions(&module, text)[0].line, 5);
    }
}
