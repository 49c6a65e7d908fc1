//! Both resolvers against links, conflicts and missing folders.

use super::*;
use std::os::unix::fs::symlink;

const PLAIN: PublishOptions =
    PublishOptions { overwrite: false, create_dirs: false, conflict_status: 403, sync: false };

struct Tree {
    _folder: tempfile::TempDir,
    roots: [Root; 2],
    base: std::path::PathBuf,
}

/// `base/root` with links that lead out, up and into the state folder; both resolvers.
fn tree() -> Tree {
    let folder = tempfile::tempdir().expect("temporary folder");
    let base = folder.path().to_path_buf();
    let root = base.join("root");
    for name in ["root/state/deep", "root/up", "outside"] {
        std::fs::create_dir_all(base.join(name)).expect("folder");
    }
    std::fs::write(base.join("outside/secret"), "secret").expect("file");
    std::fs::write(root.join("up/there"), "there").expect("file");
    symlink(base.join("outside"), root.join("absolute")).expect("link");
    symlink("../outside", root.join("relative")).expect("link");
    symlink("state", root.join("to-state")).expect("link");
    symlink("../outside/secret", root.join("file-link")).expect("link");
    let open = || Root::open(&root, &root.join("state")).expect("root");
    let mut second = open();
    second.resolver = Resolver::OneByOne;
    Tree { roots: [open(), second], base, _folder: folder }
}

fn at(path: &str) -> Target {
    Target::parse(path).expect("sound path")
}

#[test]
fn links_never_lead_out_or_into_the_state_folder() {
    let tree = tree();
    for root in &tree.roots {
        for path in [
            "/absolute/x",
            "/relative/x",
            "/to-state/x",
            "/state/x",
            "/state/deep/x",
            "/to-state/deep/x",
        ] {
            assert_eq!(
                root.check(&at(path), PLAIN),
                Err(Refusal::denied()),
                "{path} {:?}",
                root.resolver
            );
            assert_eq!(
                root.check_inside(&at(path)),
                Err(Refusal::denied()),
                "{path} {:?}",
                root.resolver
            );
            let data = tree.base.join("data");
            std::fs::write(&data, "data").expect("file");
            let eager = PublishOptions { overwrite: true, create_dirs: true, ..PLAIN };
            assert_eq!(root.publish(&data, &at(path), eager), Err(Refusal::denied()), "{path}");
        }
        for path in ["/relative/secret", "/absolute/secret", "/file-link"] {
            assert_eq!(root.open_file(&at(path)).map(drop), Err(Refusal::denied()), "{path}");
        }
        assert_eq!(
            root.check(&at("/state"), PLAIN),
            Err(Refusal::invalid()),
            "a folder is no file"
        );
    }
    assert_eq!(std::fs::read_dir(tree.base.join("outside")).expect("folder").count(), 1);
}

#[test]
fn an_existing_file_is_replaced_only_if_allowed() {
    let tree = tree();
    let data = tree.base.join("data");
    for root in &tree.roots {
        std::fs::write(&data, "new").expect("file");
        let status = |landing| {
            root.publish(&data, &at("/up/there"), landing).map_err(|refusal| refusal.status)
        };
        assert_eq!(status(PLAIN), Err(403));
        assert_eq!(status(PublishOptions { conflict_status: 409, ..PLAIN }), Err(409));
        assert_eq!(status(PublishOptions { overwrite: true, sync: true, ..PLAIN }), Ok(()));
        assert_eq!(std::fs::read(tree.base.join("root/up/there")).expect("file"), b"new");
        assert!(!data.exists());
    }
}

#[test]
fn a_link_in_the_place_is_replaced_not_followed() {
    let tree = tree();
    let data = tree.base.join("data");
    std::fs::write(&data, "new").expect("file");
    let landing = PublishOptions { overwrite: true, ..PLAIN };
    tree.roots[0].publish(&data, &at("/file-link"), landing).expect("published");
    assert_eq!(std::fs::read(tree.base.join("outside/secret")).expect("file"), b"secret");
    assert_eq!(std::fs::read(tree.base.join("root/file-link")).expect("file"), b"new");
}

#[test]
fn folders_are_made_only_if_allowed() {
    let tree = tree();
    for (index, root) in tree.roots.iter().enumerate() {
        let target = at(&format!("/new{index}/deeper/x"));
        let data = tree.base.join("data");
        std::fs::write(&data, "new").expect("file");
        assert_eq!(root.check(&target, PLAIN).map_err(|refusal| refusal.status), Err(404));
        assert_eq!(root.publish(&data, &target, PLAIN).map_err(|refusal| refusal.status), Err(404));
        let landing = PublishOptions { create_dirs: true, ..PLAIN };
        assert_eq!(root.check(&target, landing), Ok(()));
        assert_eq!(root.publish(&data, &target, landing), Ok(()));
        assert!(tree.base.join(format!("root/new{index}/deeper/x")).is_file());
    }
}

#[test]
fn a_copy_from_another_file_system_lands_whole() {
    let tree = tree();
    let data = tree.base.join("data");
    std::fs::write(&data, "new").expect("file");
    let folder = tree.roots[0].folder(&["up".into()], false).expect("folder");
    assert_eq!(copy_into(&data, &folder, "there", false), Err(Errno::EXIST));
    assert!(data.exists());
    assert_eq!(copy_into(&data, &folder, "copied", false), Ok(()));
    assert!(!data.exists());
    let mut names: Vec<_> = std::fs::read_dir(tree.base.join("root/up"))
        .expect("folder")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["copied", "there"], "no part is left behind");
}
