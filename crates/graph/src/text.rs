//! Mermaid and Graphviz, which compute the layout themselves.

use crate::marks::{Mark, Marks};
use crate::model::{Node, Scope};
use std::fmt::Write as _;
use stepwright_program::StateId;

pub(crate) fn mermaid(scope: &Scope) -> String {
    let mut out = String::from("flowchart TD\n");
    Mermaid { marks: None }.scope(scope, "top", 1, &mut out);
    out
}

pub(crate) fn mermaid_marked(scope: &Scope, marks: &Marks) -> String {
    let mut out = String::from("flowchart TD\n");
    Mermaid { marks: Some(marks) }.scope(scope, "top", 1, &mut out);
    let (fill, line) = Mark::Used.colors();
    writeln!(out, "  classDef taken fill:{fill},stroke:{line}").expect("strings grow");
    out
}

/// What Mermaid's flowcharts are made of, with or without what was taken.
struct Mermaid<'m> {
    marks: Option<&'m Marks>,
}

impl Mermaid<'_> {
    fn scope(&self, scope: &Scope, key: &str, depth: usize, out: &mut String) {
        let pad = "  ".repeat(depth);
        let line =
            |out: &mut String, text: String| writeln!(out, "{pad}{text}").expect("strings grow");
        let first = &scope.nodes[scope.start];
        let arrow = if self.is_taken(first) { "==>" } else { "-->" };
        line(out, format!("start_{key}(( )) {arrow} s{}", first.id));
        for node in &scope.nodes {
            let name = self.name(node);
            let is_taken = self.is_taken(node);
            if node.inner.is_empty() {
                let (open, close) = match node.kind {
                    "Choice" => ("{", "}"),
                    "Wait" => ("([", "])"),
                    "Succeed" | "Fail" => ("((", "))"),
                    _ => ("[", "]"),
                };
                let class = if is_taken { ":::taken" } else { "" };
                line(out, format!("s{}{open}\"{name}\"{close}{class}", node.id));
            } else {
                line(out, format!("subgraph s{}[\"{} {name}\"]", node.id, node.kind));
                for (at, inner) in node.inner.iter().enumerate() {
                    self.scope(inner, &format!("{}_{at}", node.id), depth + 1, out);
                }
                line(out, "end".to_owned());
                if is_taken {
                    line(out, format!("class s{} taken", node.id));
                }
            }
            if node.ends {
                let has_ended =
                    self.marks.is_some_and(|marks| marks.ends.contains(&StateId(node.id)));
                let arrow = if has_ended { "==>" } else { "-->" };
                line(out, format!("s{} {arrow} end_{key}((( )))", node.id));
            }
        }
        for edge in &scope.edges {
            let (from, to) = (scope.nodes[edge.from].id, scope.nodes[edge.to].id);
            let mark = self.marks.and_then(|marks| marks.transition((from, to), edge.is_catch));
            let arrow = match (mark, edge.is_catch) {
                (Some(Mark::Used | Mark::Partly), _) => "==>",
                (_, true) => "-.->",
                (_, false) => "-->",
            };
            let label = if edge.label.is_empty() {
                String::new()
            } else {
                format!("|\"{}\"|", edge.label.replace('"', "#quot;"))
            };
            line(out, format!("s{from} {arrow}{label} s{to}"));
        }
    }

    /// Whether a state is marked as used.
    fn is_taken(&self, node: &Node) -> bool {
        let mark = self.marks.and_then(|marks| marks.state(node.id));
        mark.is_some_and(|(mark, _)| *mark != Mark::Missed)
    }

    /// The name of a state, and how often it was entered if that is more than once.
    fn name(&self, node: &Node) -> String {
        let name = node.name.replace('"', "#quot;");
        match self.marks.and_then(|marks| marks.state(node.id)) {
            Some((mark, words)) if *mark != Mark::Missed && words.ends_with("times") => {
                format!("{name}, {words}")
            }
            _ => name,
        }
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
