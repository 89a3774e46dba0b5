//! Where each `%` finds its parent: the step that keeps it, and the label it is kept under.

use super::ast::{Ast, Kind};
use crate::error::{Fault, Result};
use crate::stack;

#[derive(Default)]
pub(crate) struct Slots(Vec<Slot>);

struct Slot {
    label: usize,
    /// How many steps further out the parent still is.
    level: i32,
}

impl Slots {
    pub(crate) fn labels(self) -> Vec<usize> {
        self.0.into_iter().map(|slot| slot.label).collect()
    }

    pub(crate) fn open(&mut self) -> usize {
        let label = self.0.len();
        self.0.push(Slot { label, level: 1 });
        label
    }

    /// Lets `node` take the slot one step further, to the node that is the parent in the end.
    fn seek(&mut self, node: &mut Ast, slot: usize) -> Result<()> {
        stack::deeper(|| self.seek_here(node, slot))
    }

    fn seek_here(&mut self, node: &mut Ast, slot: usize) -> Result<()> {
        match &mut node.kind {
            Kind::Name(_) | Kind::Wildcard => {
                self.0[slot].level -= 1;
                if self.0[slot].level == 0 {
                    if let Some(known) = node.ancestor {
                        self.0[slot].label = self.0[known].label;
                    }
                    node.ancestor = Some(slot);
                    node.tuple = true;
                }
            }
            Kind::Parent(_) => self.0[slot].level += 1,
            Kind::Block(expressions) => {
                if let Some(last) = expressions.last_mut() {
                    node.tuple = true;
                    self.seek(last, slot)?;
                }
            }
            Kind::Path(steps) => {
                node.tuple = true;
                let mut steps = steps.iter_mut().rev();
                if let Some(last) = steps.next() {
                    self.seek(last, slot)?;
                }
                for step in steps {
                    if self.0[slot].level <= 0 {
                        break;
                    }
                    self.seek(step, slot)?;
                }
            }
            _ => {
                return Err(Fault::new("S0217").at(node.at, node.span).token(node.type_name()));
            }
        }
        Ok(())
    }

    /// `outer` is now what seeks the parents that `inner` seeks.
    pub(crate) fn push(outer: &mut Ast, inner: &Ast) {
        outer.seeking.extend(&inner.seeking);
        if let Kind::Parent(slot) = inner.kind {
            outer.seeking.push(slot);
        }
    }

    /// Finds the parents that the last step of `path` seeks among the steps before it.
    pub(crate) fn resolve(&mut self, path: &mut Ast) -> Result<()> {
        let Kind::Path(steps) = &mut path.kind else { return Ok(()) };
        let Some(last) = steps.last() else { return Ok(()) };
        let mut seeking = last.seeking.clone();
        if let Kind::Parent(slot) = last.kind {
            seeking.push(slot);
        }
        for slot in seeking {
            // The next step to ask; those behind it have been.
            let mut next = steps.len() - 1;
            while self.0[slot].level > 0 {
                if next == 0 {
                    path.seeking.push(slot);
                    break;
                }
                next -= 1;
                // Steps bound one after the other have the same parent.
                while next > 0 && steps[next].focus.is_some() && steps[next - 1].focus.is_some() {
                    next -= 1;
                }
                self.seek(&mut steps[next], slot)?;
            }
        }
        Ok(())
    }

    /// Finds the parents that `predicate` seeks, the first of which is `step` itself.
    pub(crate) fn resolve_predicate(&mut self, step: &mut Ast, predicate: &Ast) -> Result<()> {
        if predicate.seeking.is_empty() {
            return Ok(());
        }
        for slot in &predicate.seeking {
            if self.0[*slot].level == 1 {
                self.seek(step, *slot)?;
            } else {
                self.0[*slot].level -= 1;
            }
        }
        Self::push(step, predicate);
        Ok(())
    }
}
