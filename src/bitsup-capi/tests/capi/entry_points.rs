//! Reads the sources: every entry point, as it is written.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{FnArg, Item, ItemFn, Pat, Stmt, Visibility};

use crate::support::{capi, workspace};

/// All `extern "C"` functions of the crate, with the files they are in.
pub(crate) fn all() -> Vec<ItemFn> {
    let mut found = Vec::new();
    for path in sources(&capi().join("src")) {
        let text = fs::read_to_string(&path).expect("readable");
        let file =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        found.extend(file.items.into_iter().filter_map(|item| match item {
            // Either sign alone would be a mistake, which a test below sees.
            Item::Fn(function) if is_public(&function) || is_exported(&function) => {
                function.sig.abi.is_some().then_some(function)
            }
            _ => None,
        }));
    }
    assert!(found.len() > 60, "only {} entry points were found", found.len());
    found.sort_by_key(name);
    found
}

/// All Rust files in a folder and below.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The function's name.
pub(crate) fn name(function: &ItemFn) -> String {
    function.sig.ident.to_string()
}

/// Names and types of the parameters, the types without spaces.
pub(crate) fn parameters(function: &ItemFn) -> Vec<(String, String)> {
    let parameter = |argument: &FnArg| {
        let FnArg::Typed(typed) = argument else { panic!("a function has no self") };
        let Pat::Ident(name) = &*typed.pat else { panic!("a parameter is a name") };
        (name.ident.to_string(), type_text(&typed.ty))
    };
    function.sig.inputs.iter().map(parameter).collect()
}

fn type_text(kind: &syn::Type) -> String {
    match kind {
        syn::Type::Ptr(pointer) => {
            let change = if pointer.mutability.is_some() { "mut" } else { "const" };
            format!("*{change} {}", type_text(&pointer.elem))
        }
        syn::Type::Path(path) => {
            path.path.segments.last().expect("a type has a name").ident.to_string()
        }
        _ => panic!("a parameter is a pointer or has a plain type"),
    }
}

fn is_public(function: &ItemFn) -> bool {
    matches!(function.vis, Visibility::Public(_))
}

fn is_exported(function: &ItemFn) -> bool {
    function.attrs.iter().any(|attribute| {
        attribute.path().is_ident("unsafe")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "no_mangle")
    })
}

fn is_one_boundary(function: &ItemFn) -> bool {
    let body = match function.block.stmts.as_slice() {
        [Stmt::Macro(body)] => &body.mac,
        [Stmt::Expr(syn::Expr::Macro(body), _)] => &body.mac,
        _ => return false,
    };
    body.path.is_ident("boundary")
}

#[test]
fn every_entry_point_is_public_documented_and_inside_the_boundary() {
    for function in all() {
        let name = name(&function);
        assert!(is_public(&function), "{name} is not public");
        assert!(name.starts_with("bitsup_"), "{name} has no prefix");
        assert!(is_one_boundary(&function), "the body of {name} is not one boundary!");
        let documented = function.attrs.iter().any(|attribute| attribute.path().is_ident("doc"));
        assert!(documented, "{name} has no comment");
        assert!(is_exported(&function), "{name} is not exported");
    }
}

#[test]
fn every_fallible_entry_point_takes_the_error_last() {
    for function in all() {
        let name = name(&function);
        let syn::ReturnType::Type(_, kind) = &function.sig.output else { continue };
        if type_text(kind) != "bitsup_status"
            || ["bitsup_error_status", "bitsup_upload_progress"].contains(&name.as_str())
        {
            continue;
        }
        let last = parameters(&function).pop().expect("it has parameters");
        assert_eq!(last, ("error".to_owned(), "*mut *mut bitsup_error".to_owned()), "{name}");
    }
}

#[test]
fn the_header_declares_every_entry_point_and_no_other() {
    let header = fs::read_to_string(workspace().join("include/bitsup.h")).expect("readable");
    let mut declared: Vec<&str> = header
        .lines()
        .filter(|line| !line.starts_with([' ', '/', '#']) && line.contains("bitsup_"))
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("bitsup_"))
        .collect();
    declared.sort_unstable();
    let written: Vec<String> = all().iter().map(name).collect();
    assert_eq!(declared, written);
}

#[test]
fn every_option_of_plain_values_can_be_set_by_name() {
    let names = fs::read_to_string(capi().join("src/options/named.rs")).expect("readable");
    for function in all() {
        let name = name(&function);
        let Some(option) = name.strip_prefix("bitsup_upload_options_set_") else { continue };
        if option.starts_with("on_") && option != "on_lost_ack"
            || option.ends_with("_bytes") && option != "max_bytes"
            || option.ends_with("_callback")
        {
            continue;
        }
        assert!(
            names.contains(&format!("(\"{option}\", ")),
            "{option} has no name in options/named.rs"
        );
        assert!(
            [",", ")"].iter().any(|end| names.contains(&format!("::{name}{end}"))),
            "{name} is not behind its name"
        );
    }
}
