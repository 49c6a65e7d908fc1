//! Reads the sources: every entry point, as it is written.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{FnArg, Item, ItemFn, Pat, Stmt, Visibility};

use crate::support::{capi, workspace};

/// All `extern "C"` functions of the crate.
pub(crate) fn all() -> Vec<ItemFn> {
    let mut found: Vec<ItemFn> = with_files().into_iter().map(|(_, function)| function).collect();
    found.sort_by_key(name);
    found
}

/// The same with the files they are in, in the order of each file.
pub(crate) fn with_files() -> Vec<(PathBuf, ItemFn)> {
    let mut found = Vec::new();
    for path in sources(&capi().join("src")) {
        let text = fs::read_to_string(&path).expect("readable");
        let file =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        found.extend(file.items.into_iter().filter_map(|item| match item {
            // Either sign alone would be a mistake, which a test below sees.
            Item::Fn(function) if is_public(&function) || is_exported(&function) => {
                function.sig.abi.is_some().then(|| (path.clone(), function))
            }
            _ => None,
        }));
    }
    assert!(found.len() > 60, "only {} entry points were found", found.len());
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

/// Who reads the header must not read hundreds of functions.
#[test]
fn there_are_no_more_functions_than_a_person_reads() {
    let count = all().len();
    assert!(count <= 110, "{count} functions: an option is a row of the table, not a function");
}

#[test]
fn the_header_declares_every_entry_point_and_no_other() {
    let header = fs::read_to_string(workspace().join("include/bitsup.h")).expect("readable");
    let mut declared: Vec<&str> = header
        .lines()
        .filter(|line| line.starts_with("BITSUP_API"))
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .collect();
    declared.sort_unstable();
    let written: Vec<String> = all().iter().map(name).collect();
    assert_eq!(declared, written);
}

/// The compiler tells who forgets an object or what became of an upload; a setter's error is kept.
#[test]
fn what_must_not_be_forgotten_is_marked() {
    for function in all() {
        let name = name(&function);
        let marked = function.attrs.iter().any(|attribute| attribute.path().is_ident("must_use"));
        let gives = parameters(&function)
            .iter()
            .any(|(_, kind)| kind.starts_with("*mut *mut ") && kind != "*mut *mut bitsup_error");
        let ends = [
            "bitsup_options_new",
            "bitsup_upload_file",
            "bitsup_upload_wait",
            "bitsup_upload_receipt",
        ];
        assert_eq!(marked, gives || ends.contains(&name.as_str()), "{name}");
        assert!(!marked || !name.starts_with("bitsup_options_set"), "{name}");
    }
}
