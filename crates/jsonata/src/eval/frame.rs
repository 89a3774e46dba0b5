use crate::value::Value;
use smallvec::SmallVec;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The scope that something is evaluated in. The outermost one is nothing as long as nothing is
/// bound in it.
pub(crate) type Scope<'a> = Option<Rc<Frame<'a>>>;

/// The variables of one scope.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    around: Scope<'a>,
    variables: RefCell<SmallVec<[(u32, Value<'a>); 2]>>,
    kept: Cell<bool>,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(around: Scope<'a>) -> Rc<Self> {
        Self::with(around, SmallVec::new())
    }

    pub(crate) fn with(around: Scope<'a>, variables: SmallVec<[(u32, Value<'a>); 2]>) -> Rc<Self> {
        Rc::new(Self { around, variables: RefCell::new(variables), kept: Cell::new(false) })
    }

    /// The value of the innermost variable `name`. Adds to `passed` how many others were looked at.
    #[inline]
    pub(crate) fn lookup(&self, name: u32, passed: &mut u64) -> Option<Value<'a>> {
        let mut frame = self;
        loop {
            let variables = frame.variables.borrow();
            if let Some(at) = variables.iter().position(|(bound, _)| *bound == name) {
                *passed += at as u64;
                return Some(variables[at].1.clone());
            }
            *passed += variables.len() as u64 + 1;
            drop(variables);
            frame = frame.around.as_deref()?;
        }
    }

    /// Binds `name`. How many other variables were looked at.
    pub(crate) fn bind(&self, name: u32, value: Value<'a>) -> u64 {
        let mut variables = self.variables.borrow_mut();
        // The old value goes only after the borrow: it may be a function that holds this frame.
        let old = if let Some(variable) = variables.iter_mut().find(|(bound, _)| *bound == name) {
            std::mem::replace(&mut variable.1, value)
        } else {
            variables.push((name, value));
            return variables.len() as u64;
        };
        let passed = variables.len() as u64;
        drop(variables);
        drop(old);
        passed
    }

    /// Whether the frame has to be kept until the end from now on: once `true`.
    pub(crate) fn keep(&self) -> bool {
        !self.kept.replace(true)
    }

    pub(crate) fn clear(&self) {
        let variables = std::mem::take(&mut *self.variables.borrow_mut());
        drop(variables);
    }

    /// The variables, if nobody else holds the frame.
    #[inline]
    pub(crate) fn variables_mut(
        frame: &mut Rc<Self>,
    ) -> Option<&mut SmallVec<[(u32, Value<'a>); 2]>> {
        Rc::get_mut(frame).map(|frame| frame.variables.get_mut())
    }
}
