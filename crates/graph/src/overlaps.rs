//! No drawing of the corpus has an edge through a box, or a label on a box, a label or a ring.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files and reports"
)]

use crate::layout::{Placed, RING, layout, text_width};
use crate::model;
use std::path::{Path, PathBuf};
use stepwright_asl::{LoadOptions, load};

/// Left, top, right, bottom.
type Area = (f64, f64, f64, f64);

fn meet(a: Area, b: Area) -> bool {
    a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3
}

/// Points of an edge, as it is drawn.
fn drawn(points: &[(f64, f64)], is_aside: bool) -> Vec<(f64, f64)> {
    let mut all = Vec::new();
    for pair in points.windows(2) {
        let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
        for step in 0..=24 {
            let t = f64::from(step) / 24.0;
            // A straight line, or a curve whose ends are vertical.
            let across = if is_aside { t } else { t * t * (3.0 - 2.0 * t) };
            all.push((x1 + (x2 - x1) * across, y1 + (y2 - y1) * t));
        }
    }
    all
}

fn overlaps(placed: &Placed, name: &str, found: &mut Vec<String>) {
    let boxes: Vec<(u32, Area)> = placed
        .nodes
        .iter()
        .map(|node| (node.node.id, (node.x, node.y, node.x + node.width, node.y + node.height)))
        .collect();
    let rings = placed.nodes.iter().filter(|node| node.node.ends).map(|node| {
        let (x, y) = (node.x + node.width / 2.0, node.y + node.height);
        (x - RING / 2.0, y, x + RING / 2.0, y + 22.0)
    });
    let rings: Vec<Area> = rings.collect();
    let mut labels: Vec<(&str, Area)> = Vec::new();
    for edge in &placed.edges {
        for (x, y) in drawn(&edge.points, edge.is_aside) {
            let inside = |area: &Area| meet((x - 0.1, y - 0.1, x + 0.1, y + 0.1), *area);
            let shrunk = |area: &Area| (area.0 + 0.5, area.1 + 0.5, area.2 - 0.5, area.3 - 0.5);
            if let Some((id, _)) = boxes.iter().find(|(_, area)| inside(&shrunk(area))) {
                found.push(format!("{name}: the edge {:?} runs through {id}", edge.ends));
                break;
            }
        }
        if edge.label.is_empty() {
            continue;
        }
        let half = text_width(&edge.label, 11.0) / 2.0 + 3.0;
        let (x, y) = edge.label_at;
        let area = (x - half, y - 11.0, x + half, y + 3.0);
        if let Some((id, _)) = boxes.iter().find(|(_, one)| meet(area, *one)) {
            found.push(format!("{name}: the label {:?} covers {id}", edge.label));
        }
        if let Some((other, _)) = labels.iter().find(|(_, one)| meet(area, *one)) {
            found.push(format!("{name}: the label {:?} covers {other:?}", edge.label));
        }
        if rings.iter().any(|one| meet(area, *one)) {
            found.push(format!("{name}: the label {:?} covers a ring", edge.label));
        }
        labels.push((&edge.label, area));
    }
    for node in &placed.nodes {
        for (_, _, inner) in &node.inner {
            overlaps(inner, name, found);
        }
    }
}

fn check(name: &str, bytes: &[u8], found: &mut Vec<String>) -> usize {
    let loaded = load(bytes, &LoadOptions { file: name, ..LoadOptions::default() });
    let mut drawings = 0;
    for named in &loaded.definitions {
        let Ok(program) = stepwright_program::compile(&named.definition) else { continue };
        drawings += 1;
        overlaps(&layout(&model::scope(&program, program.start)), name, found);
    }
    drawings
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            files(&path, all);
        } else if path
            .extension()
            .is_some_and(|ending| ["json", "yaml", "yml"].iter().any(|one| ending == *one))
        {
            all.push(path);
        }
    }
}

#[test]
fn edges_keep_off_boxes_and_labels_off_one_another() {
    let loops = r#"{"StartAt": "A", "States": {
        "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "B", "Catch": [
            {"ErrorEquals": ["One"], "Next": "C"}, {"ErrorEquals": ["Two"], "Next": "A"}]},
        "B": {"Type": "Choice", "Choices": [
            {"Variable": "$.a", "IsNull": true, "Next": "A"},
            {"Variable": "$.bb", "NumericEquals": 17, "Next": "A wide box beside the others"},
            {"Variable": "$.cc", "StringEquals": "something", "Next": "C"}], "Default": "D"},
        "A wide box beside the others": {"Type": "Wait", "Seconds": 1, "Next": "B"},
        "C": {"Type": "Pass", "Next": "B"},
        "D": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true, "Catch": [
            {"ErrorEquals": ["States.ALL"], "Next": "A"}]}}}"#;
    let mut found = Vec::new();
    assert_eq!(check("loops.asl.json", loops.as_bytes(), &mut found), 1);
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let mut all = Vec::new();
    files(&shared.join("corpus"), &mut all);
    files(&shared.join("reports/authoring"), &mut all);
    if all.is_empty() {
        println!("skipped: no shared data at {}", shared.display());
    }
    all.sort();
    let mut drawings = 0;
    for path in &all {
        let bytes = std::fs::read(path).expect("a file can be read");
        drawings += check(&path.to_string_lossy(), &bytes, &mut found);
    }
    println!("{drawings} drawings, {} overlaps", found.len());
    assert!(found.is_empty(), "{} overlaps:\n{}", found.len(), found.join("\n"));
}
