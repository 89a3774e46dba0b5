//! Mermaid and Graphviz, which compute the layout themselves.

use crate::model::{Node, Scope};
use std::fmt::Write as _;

pub(crate) fn mermaid(scope: &Scope) -> String {
    let mut out = String::from("flowchart TD\n");
    mermaid_scope(scope, "top", 1, &mut out);
    out
}

fn mermaid_scope(scope: &Scope, key: &str, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    let line = |out: &mut String, text: String| writeln!(out, "{pad}{text}").expect("strings grow");
    line(out, format!("start_{key}(( )) --> s{}", scope.nodes[scope.start].id));
    for node in &scope.nodes {
        let name = node.name.replace('"', "#quot;");
        if node.inner.is_empty() {
            let (open, close) = match node.kind {
                "Choice" => ("{", "}"),
                "Wait" => ("([", "])"),
                "Succeed" | "Fail" => ("((", "))"),
                _ => ("[", "]"),
            };
            line(out, format!("s{}{open}\"{name}\"{close}", node.id));
        } else {
            line(out, format!("subgraph s{}[\"{} {name}\"]", node.id, node.kind));
            for (at, inner) in node.inner.iter().enumerate() {
                mermaid_scope(inner, &format!("{}_{at}", node.id), depth + 1, out);
            }
            line(out, "end".to_owned());
        }
        if node.ends {
            line(out, format!("s{} --> end_{key}((( )))", node.id));
        }
    }
    for edge in &scope.edges {
        let arrow = if edge.is_catch { "-.->" } else { "-->" };
        let label = if edge.label.is_empty() {
            String::new()
        } else {
            format!("|\"{}\"|", edge.label.replace('"', "#quot;"))
        };
        let (from, to) = (scope.nodes[edge.from].id, scope.nodes[edge.to].id);
        line(out, format!("s{from} {arrow}{label} s{to}"));
    }
}

pub(crate) fn dot(scope: &Scope) -> String {
    let mut out = String::from(
        "digraph machine {\n  compound=true; node [shape=box, style=rounded, fontname=Helvetica];\n",
    );
    dot_scope(scope, "top", 1, &mut out);
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The node to which an edge of a state leads: for a box, the first state inside.
fn anchor(node: &Node) -> u32 {
    node.inner.first().map_or(node.id, |inner| anchor(&inner.nodes[inner.start]))
}

fn dot_scope(scope: &Scope, key: &str, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    let line = |out: &mut String, text: String| writeln!(out, "{pad}{text}").expect("strings grow");
    line(out, format!("start_{key} [shape=point, label=\"\"];"));
    line(out, format!("start_{key} -> s{};", anchor(&scope.nodes[scope.start])));
    for node in &scope.nodes {
        if node.inner.is_empty() {
            let shape = match node.kind {
                "Choice" => ", shape=diamond",
                "Succeed" | "Fail" => ", shape=ellipse",
                _ => "",
            };
            line(out, format!("s{} [label={}{shape}];", node.id, quoted(&node.name)));
        } else {
            let title = quoted(&format!("{} {}", node.kind, node.name));
            line(out, format!("subgraph cluster_{} {{ label={title}; style=dashed;", node.id));
            for (at, inner) in node.inner.iter().enumerate() {
                dot_scope(inner, &format!("{}_{at}", node.id), depth + 1, out);
            }
            line(out, "}".to_owned());
        }
        if node.ends {
            let at = anchor(node);
            line(out, format!("end_{key} [shape=doublecircle, label=\"\", width=0.15];"));
            line(out, format!("s{at} -> end_{key}{};", tail(node)));
        }
    }
    for edge in &scope.edges {
        let (from, to) = (&scope.nodes[edge.from], &scope.nodes[edge.to]);
        let mut attributes = vec![format!("label={}", quoted(&edge.label))];
        if edge.is_catch {
            attributes.push("style=dashed, color=red".to_owned());
        }
        if !from.inner.is_empty() {
            attributes.push(format!("ltail=cluster_{}", from.id));
        }
        if !to.inner.is_empty() {
            attributes.push(format!("lhead=cluster_{}", to.id));
        }
        line(out, format!("s{} -> s{} [{}];", anchor(from), anchor(to), attributes.join(", ")));
    }
}

fn tail(node: &Node) -> String {
    if node.inner.is_empty() { String::new() } else { format!(" [ltail=cluster_{}]", node.id) }
}
