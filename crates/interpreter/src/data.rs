//! How a state's input becomes its output.

use crate::turn::Stepper;
use crate::view::{More, View};
use stepwright_history::FrameId;
use stepwright_json::{DEEPEST, Json, Object};
use stepwright_program::{
    EvaluationError, InputPath, Io, Language, NumberField, PathExpression, ResultPath, Scope,
    State, Template,
};

impl Stepper<'_> {
    /// What the expressions of a frame's state see when `$` is `document`.
    pub(crate) fn view<'v>(
        &'v self,
        frame: FrameId,
        document: &'v Json,
        more: More<'v>,
    ) -> View<'v> {
        let context = self.inspection.and_then(|test| test.context.as_ref());
        let limits = &self.program.limits;
        View::new(self.execution, frame, document, more, self.at, &self.chance, limits)
            .within(context)
            .burning(&self.fuel)
    }

    pub(crate) fn raw_input(&self, frame: FrameId) -> Json {
        self.execution.frame(frame).entry.input.clone()
    }

    /// The raw input after `InputPath`.
    pub(crate) fn document(&self, frame: FrameId, io: &Io) -> Result<Json, EvaluationError> {
        let raw = &self.execution.frame(frame).entry.input;
        let document = self.select(frame, &io.input_path, raw)?;
        if let InputPath::Path(_) = io.input_path {
            EvaluationError::check(&document, self.program.limits.payload_bytes)?;
        }
        self.see(|seen| seen.after_input_path = Some(document.clone()));
        Ok(document)
    }

    fn select(
        &self,
        frame: FrameId,
        path: &InputPath,
        document: &Json,
    ) -> Result<Json, EvaluationError> {
        match path {
            InputPath::Whole => Ok(document.clone()),
            InputPath::Nothing => Ok(Json::Object(Object::new())),
            InputPath::Path(path) => path.evaluate(&self.view(frame, document, More::default())),
        }
    }

    pub(crate) fn fill(
        &self,
        frame: FrameId,
        template: &Template,
        document: &Json,
        more: More<'_>,
    ) -> Result<Json, EvaluationError> {
        template.evaluate(&self.view(frame, document, more))
    }

    /// As [`Self::fill`], for what is not a payload yet: it may be larger.
    pub(crate) fn fill_within(
        &self,
        frame: FrameId,
        template: &Template,
        document: &Json,
        most: usize,
    ) -> Result<Json, EvaluationError> {
        template.evaluate_within(&self.view(frame, document, More::default()), most)
    }

    pub(crate) fn assign(
        &self,
        frame: FrameId,
        assign: Option<&Template>,
        document: &Json,
        more: More<'_>,
    ) -> Result<Option<Object>, EvaluationError> {
        let Some(assign) = assign else { return Ok(None) };
        match self.fill(frame, assign, document, more)? {
            Json::Object(assigned) if !assigned.is_empty() => Ok(Some(assigned)),
            _ => Ok(None),
        }
    }

    /// What a state with a result puts out, and the variables it sets.
    pub(crate) fn finish(
        &self,
        frame: FrameId,
        state: &State,
        result: Json,
    ) -> Result<(Json, Option<Object>), EvaluationError> {
        let io = &state.io;
        match state.language {
            Language::JsonPath => {
                let result = match &io.result_selector {
                    Some(selector) => {
                        let most = self.program.limits.evaluation_bytes;
                        self.fill_within(frame, selector, &result, most)?
                    }
                    None => result,
                };
                self.see(|seen| seen.after_result_selector = Some(result.clone()));
                let assigned = self.assign(frame, io.assign.as_ref(), &result, More::default())?;
                let raw = &self.execution.frame(frame).entry.input;
                let output = Self::place(&io.result_path, raw, result)?;
                self.see(|seen| seen.after_result_path = Some(output.clone()));
                let output = self.select(frame, &io.output_path, &output)?;
                Ok((output, assigned))
            }
            Language::Jsonata => {
                let raw = &self.execution.frame(frame).entry.input;
                let more = More { result: Some(&result), ..More::default() };
                let assigned = self.assign(frame, io.assign.as_ref(), raw, more)?;
                let output = match &io.output {
                    Some(output) => self.fill(frame, output, raw, more)?,
                    None => result.clone(),
                };
                Ok((output, assigned))
            }
        }
    }

    /// What a state without a result puts out (Choice, Wait, Succeed), and the variables it sets.
    pub(crate) fn pass_on(
        &self,
        frame: FrameId,
        state: &State,
        document: &Json,
        output: Option<&Template>,
        assign: Option<&Template>,
    ) -> Result<(Json, Option<Object>), EvaluationError> {
        let assigned = self.assign(frame, assign, document, More::default())?;
        let output = match (state.language, output) {
            (Language::JsonPath, _) => self.select(frame, &state.io.output_path, document)?,
            (Language::Jsonata, Some(output)) => {
                self.fill(frame, output, document, More::default())?
            }
            (Language::Jsonata, None) => document.clone(),
        };
        Ok((output, assigned))
    }

    pub(crate) fn place(
        path: &ResultPath,
        raw: &Json,
        result: Json,
    ) -> Result<Json, EvaluationError> {
        match path {
            ResultPath::Replace => Ok(result),
            ResultPath::Discard => Ok(raw.clone()),
            ResultPath::At(path) if path.steps().len() > DEEPEST => {
                Err(EvaluationError::too_deep())
            }
            ResultPath::At(path) => path
                .set(raw.clone(), result)
                .map_err(|error| EvaluationError::runtime(error.to_string())),
        }
    }

    /// A number field, with what AWS says of it when it is not the number it should be.
    pub(crate) fn number(
        &self,
        frame: FrameId,
        field: &NumberField,
        document: &Json,
        wrong: impl Fn(&PathExpression, &Json) -> String,
    ) -> Result<f64, EvaluationError> {
        match field {
            NumberField::Literal(number) => Ok(*number),
            NumberField::Path(path) => {
                let view = self.view(frame, document, More::default());
                let value = path.evaluate(&view)?;
                // AWS takes a number written as a text, too.
                let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
                number.ok_or_else(|| EvaluationError::runtime(wrong(path, &value)))
            }
            NumberField::Jsonata(expression) => {
                let view = self.view(frame, document, More::default());
                let value = expression.evaluate(&view)?;
                value.as_f64().ok_or_else(|| expression.unexpected("number", &value))
            }
        }
    }

    pub(crate) fn chance(&self, frame: FrameId) -> u64 {
        self.view(frame, &Json::Null, More::default()).random()
    }
}
