//! Actions of other repositories: fetched, pinned, taken from directories, put in place.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_forge::{ActionError, ActionStore, FoundAction, LocalRepository, Pinned, Reach};
use cutover_model::Secret;

use crate::{
    bench::{Bench, git, write},
    http,
};

/// A repository `some/tools` with a tag `v1` and a branch, and a store that fetches from beside it.
struct Shop {
    bench: Bench,
    work: Utf8PathBuf,
}

impl Shop {
    fn new() -> Self {
        let bench = Bench::new();
        let work = bench.path("others/some/tools");
        fs::create_dir_all(&work).unwrap();
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        let shop = Self { bench, work };
        write(&shop.work.join("action.yml"), "runs: {}\n");
        write(&shop.work.join("deep/er/action.yaml"), "runs: {}\n");
        write(&shop.work.join("dist/index.js"), "1\n");
        write(&shop.work.join("run.sh"), "#!/bin/sh\n");
        fs::set_permissions(shop.work.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../dist", shop.work.join("deep/link")).unwrap();
        // What would turn line ends, run a filter or a hook, if anybody checked this out.
        write(
            &shop.work.join(".gitattributes"),
            "* text=auto eol=crlf filter=evil\n",
        );
        shop.commit();
        git(&shop.work, &["tag", "v1"]);
        shop
    }

    fn commit(&self) -> String {
        git(&self.work, &["add", "--all"]);
        let who = ["-c", "user.name=x", "-c", "user.email=x@y"];
        git(
            &self.work,
            &[&who[..], &["commit", "--quiet", "-m", "x"]].concat(),
        );
        git(&self.work, &["rev-parse", "HEAD"])
    }

    fn tree(&self, name: &str) -> String {
        git(&self.work, &["rev-parse", &format!("{name}^{{tree}}")])
    }

    fn store(&self) -> ActionStore {
        self.store_with(self.bench.path("others").as_str(), Vec::new())
    }

    fn store_with(&self, address: &str, local: Vec<LocalRepository>) -> ActionStore {
        ActionStore::new(self.bench.path("store"), address, local)
    }
}

async fn find(
    store: &ActionStore,
    git_ref: &str,
    reach: Reach,
) -> Result<FoundAction, ActionError> {
    store.find("some/tools", git_ref, None, reach).await
}

#[tokio::test]
async fn what_a_ref_names_is_fetched_and_put_in_place_as_it_is() {
    let shop = Shop::new();
    let store = shop.store();
    let nothing = find(&store, "v1", Reach::Here).await.unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "`some/tools@v1` has not been fetched yet"
    );
    let found = find(&store, "v1", Reach::Network).await.unwrap();
    assert_eq!(found.tree.tree, shop.tree("v1"));
    assert_eq!(found.tree.commit, git(&shop.work, &["rev-parse", "v1"]));
    let paths: Vec<&str> = found.files.keys().map(String::as_str).collect();
    assert_eq!(paths, ["action.yml", "deep/er/action.yaml"]);

    let into = shop.bench.path("job/some/tools/v1");
    store.place(&found.tree, &into).await.unwrap();
    assert_eq!(
        fs::read_to_string(into.join("dist/index.js")).unwrap(),
        "1\n"
    );
    assert_eq!(
        fs::read_to_string(into.join("deep/link/index.js")).unwrap(),
        "1\n"
    );
    let mode = fs::metadata(into.join("run.sh"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    let beside = fs::read_dir(into.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "nothing is left beside it");
    // Again: it is there, and what a job has made of its own copy stays.
    fs::write(into.join("dist/index.js"), "2\n").unwrap();
    store.place(&found.tree, &into).await.unwrap();
    assert_eq!(
        fs::read_to_string(into.join("dist/index.js")).unwrap(),
        "2\n"
    );
}

#[tokio::test]
async fn a_ref_that_moves_is_asked_for_anew_and_a_pin_is_not() {
    let shop = Shop::new();
    let store = shop.store();
    let first = find(&store, "main", Reach::Network).await.unwrap().tree;
    write(&shop.work.join("dist/index.js"), "2\n");
    let second = shop.commit();
    let pin = Pinned {
        commit: first.commit.clone(),
        tree: first.tree.clone(),
    };
    let found = find(&store, "main", Reach::Network).await.unwrap().tree;
    assert_eq!(found.commit, second);
    let pinned = store.find("Some/TOOLS", "main", Some(&pin), Reach::Here);
    assert_eq!(pinned.await.unwrap().tree.tree, first.tree);
    // Without the tree here, the commit of the pin is fetched, wherever the ref is now.
    let afresh = ActionStore::new(
        shop.bench.path("other-store"),
        shop.bench.path("others").as_str(),
        Vec::new(),
    );
    let pinned = afresh.find("some/tools", "main", Some(&pin), Reach::Network);
    assert_eq!(pinned.await.unwrap().tree.tree, first.tree);
    // By its own id no ref is asked for.
    let by_id = find(&store, &second, Reach::Here).await.unwrap();
    assert_eq!(by_id.tree.commit, second);
}

#[tokio::test]
async fn another_tree_than_the_pin_says_is_refused() {
    let shop = Shop::new();
    let store = shop.store();
    let found = find(&store, "v1", Reach::Network).await.unwrap().tree;
    let pin = Pinned {
        commit: found.commit,
        tree: "0".repeat(40),
    };
    let refused = store.find("some/tools", "v1", Some(&pin), Reach::Network);
    let refused = refused.await.unwrap_err();
    assert!(
        matches!(refused, ActionError::OtherTree { .. }),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("nothing of it is run"),
        "{refused}"
    );
    for git_ref in ["v2", "--upload-pack=x"] {
        let refused = find(&store, git_ref, Reach::Network).await.unwrap_err();
        assert!(matches!(refused, ActionError::NoRef { .. }), "{refused}");
    }
}

#[tokio::test]
async fn a_store_that_was_tampered_with_gives_nothing() {
    let shop = Shop::new();
    let store = shop.store();
    let found = find(&store, "v1", Reach::Network).await.unwrap().tree;
    let bare = shop.bench.path("store/some/tools.git");
    // Another content under the same id: git itself would not notice.
    let blob = git(&shop.work, &["rev-parse", "v1:dist/index.js"]);
    write(&shop.bench.path("evil"), "evil\n");
    let evil = git(
        &bare,
        &["hash-object", "-w", shop.bench.path("evil").as_str()],
    );
    let loose = |id: &str| bare.join("objects").join(&id[..2]).join(&id[2..]);
    for pack in files_of(&bare.join("objects/pack")) {
        let unpacked = shop.bench.path("unpacked");
        fs::rename(&pack, &unpacked).unwrap();
        if pack.extension() == Some("pack") {
            let command = format!("git -C {bare} unpack-objects -q < {unpacked}");
            let done = std::process::Command::new("sh")
                .args(["-c", &command])
                .status();
            assert!(done.unwrap().success());
        }
    }
    fs::create_dir_all(loose(&blob).parent().unwrap()).unwrap();
    fs::remove_file(loose(&blob)).ok();
    fs::copy(loose(&evil), loose(&blob)).unwrap();
    let into = shop.bench.path("job");
    let refused = store.place(&found, &into).await.unwrap_err();
    assert!(matches!(refused, ActionError::Object { .. }), "{refused}");
    assert!(!into.exists());
}

fn files_of(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = directory.read_dir_utf8().unwrap();
    entries.map(|entry| entry.unwrap().into_path()).collect()
}

#[tokio::test]
async fn a_link_that_leads_out_is_refused() {
    let shop = Shop::new();
    symlink("../../etc/passwd", shop.work.join("deep/out")).unwrap();
    shop.commit();
    let store = shop.store();
    let found = find(&store, "main", Reach::Network).await.unwrap().tree;
    let into = shop.bench.path("job");
    let refused = store.place(&found, &into).await.unwrap_err();
    assert!(refused.to_string().contains("leads out"), "{refused}");
    assert!(!into.exists());
}

#[tokio::test]
async fn a_directory_stands_for_a_repository_as_it_is() {
    let shop = Shop::new();
    let local = |directory: Utf8PathBuf| {
        let text = format!("some/tools@v1={directory}");
        vec![text.parse::<LocalRepository>().unwrap()]
    };
    let store = shop.store_with("/nowhere", local(shop.work.clone()));
    // Clean: the very tree of its commit, whatever its attributes say.
    let found = find(&store, "v1", Reach::Here).await.unwrap().tree;
    assert_eq!(found.tree, shop.tree("v1"));
    assert_eq!(found.commit, git(&shop.work, &["rev-parse", "v1"]));
    write(&shop.work.join("dist/new.js"), "new\n");
    let changed = find(&store, "v1", Reach::Here).await.unwrap().tree;
    assert_ne!(changed.tree, found.tree);
    assert_eq!(changed.commit, "");
    let into = shop.bench.path("job");
    store.place(&changed, &into).await.unwrap();
    assert_eq!(
        fs::read_to_string(into.join("dist/new.js")).unwrap(),
        "new\n"
    );
    assert!(!into.join(".git").exists());
    // Other refs are not meant.
    assert!(find(&store, "v2", Reach::Here).await.is_err());

    let bare = shop.bench.path("bare");
    git(
        &shop.work,
        &["clone", "--quiet", "--bare", ".", bare.as_str()],
    );
    let store = shop.store_with("/nowhere", local(bare));
    let found = find(&store, "v1", Reach::Here).await.unwrap().tree;
    assert_eq!(found.tree, shop.tree("v1"));
    let store = shop.store_with("/nowhere", local(shop.bench.path("missing")));
    let refused = find(&store, "v1", Reach::Here).await.unwrap_err();
    assert!(
        refused.in_full().contains("missing"),
        "{}",
        refused.in_full()
    );
}

#[tokio::test]
async fn all_of_a_private_repository_comes_with_the_token() {
    let shop = Shop::new();
    let host = shop.bench.host();
    host.create("some/tools").await.unwrap();
    let hosted = shop.bench.path("host/some/tools.git");
    let refs = ["refs/heads/main", "refs/tags/v1"];
    git(
        &shop.work,
        &[&["push", "--quiet", hosted.as_str()][..], &refs].concat(),
    );
    let with_token = "Basic eC1hY2Nlc3MtdG9rZW46Z2hwX1pxOXg=";
    let (address, _) = http::serve_to(host, Some(with_token)).await;
    let store = shop.store_with(&address, Vec::new());
    let store = store.with_token(&Secret::new("ghp_Zq9x")).unwrap();
    let into = shop.bench.path("w/tools");
    let check_out = async |depth| {
        store
            .check_out("some/tools", "main", &into, depth, Reach::Network)
            .await
            .unwrap()
    };
    check_out(None).await;
    let count = git(&shop.work, &["rev-list", "--count", "main"]);
    assert_eq!(git(&into, &["rev-list", "--count", "HEAD"]), count);
    check_out(Some(1)).await;
    let alone = cutover_forge::WorkingCopy::at(&into);
    let refused = alone.fetch_tags(Some(1)).await.unwrap_err();
    assert!(refused.to_string().contains("Username"), "{refused}");
    store.working_copy(&into).fetch_tags(Some(1)).await.unwrap();
    assert_eq!(git(&into, &["tag"]), "v1");
    let kept = std::process::Command::new("grep")
        .args(["-rl", "ghp_", into.as_str()])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
}

#[tokio::test]
async fn a_private_action_is_had_with_a_token_that_nothing_keeps() {
    let shop = Shop::new();
    let host = shop.bench.host();
    host.create("some/tools").await.unwrap();
    let hosted = shop.bench.path("host/some/tools.git");
    let refs = ["refs/heads/main", "refs/tags/v1"];
    git(
        &shop.work,
        &[&["push", "--quiet", hosted.as_str()][..], &refs].concat(),
    );
    // `x-access-token:ghp_Zq9x` and `me:ghp_Zq9x`.
    let with_token = "Basic eC1hY2Nlc3MtdG9rZW46Z2hwX1pxOXg=";
    let with_name = "Basic bWU6Z2hwX1pxOXg=";
    for (word, token) in [(with_token, "ghp_Zq9x"), (with_name, "me:ghp_Zq9x")] {
        let (address, _) = http::serve_to(host.clone(), Some(word)).await;
        let closed = find(&shop.store_with(&address, Vec::new()), "v1", Reach::Network).await;
        let said = closed.unwrap_err().to_string();
        assert!(
            said.contains("is private, or not there: a token for it"),
            "{said}"
        );
        let with = |token: &str| {
            let store = shop.store_with(&address, Vec::new());
            store.with_token(&Secret::new(token)).unwrap()
        };
        let refused = find(&with("ghp_other"), "v1", Reach::Network).await;
        let said = refused.unwrap_err().to_string();
        assert!(said.contains("does not open it"), "{said}");
        assert!(!said.contains("ghp_"), "{said}");
        let found = find(&with(token), "v1", Reach::Network).await.unwrap();
        assert_eq!(found.tree.tree, shop.tree("v1"));
        // Asked by its id once more, as a lock does; then there is nothing to ask.
        find(&with(token), &found.tree.commit, Reach::Network)
            .await
            .unwrap();
        let kept = std::process::Command::new("grep")
            .args(["-rl", "ghp_", shop.bench.path("store").as_str()])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&kept.stdout), "");
        fs::remove_dir_all(shop.bench.path("store")).unwrap();
    }
}
