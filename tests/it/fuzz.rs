//! The corpora of the fuzz targets, replayed.

use std::{fs, path::Path};

#[path = "../../fuzz/targets/mod.rs"]
mod targets;

#[test]
fn every_corpus_is_read_without_a_fault() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let mut inputs = 0;
        for entry in fs::read_dir(corpora.join(name)).unwrap() {
            let data = fs::read(entry.unwrap().path()).unwrap();
            target(&data);
            // What is cut off or changed is read too.
            for cut in [data.len() / 2, data.len().saturating_sub(1)] {
                target(&data[..cut]);
            }
            if let Some(at) = data.len().checked_sub(1) {
                let mut changed = data.clone();
                changed[at / 2] ^= 0x20;
                target(&changed);
            }
            inputs += 1;
        }
        assert!(inputs >= 3, "{name} has no corpus");
    }
    let folders = fs::read_dir(corpora).unwrap().count();
    assert_eq!(
        folders,
        targets::TARGETS.len(),
        "a corpus that nobody reads"
    );
}
