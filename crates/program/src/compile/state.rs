use super::fields::Fields;
use super::{Compiler, Names};
use crate::state::{Fail, Io, Kind, Language, Parallel, Pass, State};
use stepwright_json::Str;
use stepwright_json::tree::Node;

impl Compiler {
    pub(super) fn state(
        &mut self,
        fields: &Fields<'_>,
        name: &Str,
        names: &Names,
        depth: usize,
    ) -> Option<State> {
        if !fields.node.is_object() {
            self.wrong_type("OBJECT", &fields.location, fields.node.span);
            return None;
        }
        let language = Self::language_of(fields, self.language);
        let Some(kind) = fields.text("Type") else {
            self.missing(fields, "Type");
            return None;
        };
        let kind = match kind {
            "Task" => self.task(fields, language, names).map(Kind::Task),
            "Pass" => {
                let result = fields.get("Result").map(Node::to_json);
                self.next(fields, names).map(|next| Kind::Pass(Pass { result, next }))
            }
            "Choice" => self.choice(fields, language, names).map(Kind::Choice),
            "Wait" => self.wait(fields, language, names).map(Kind::Wait),
            "Succeed" => Some(Kind::Succeed),
            "Fail" => Some(Kind::Fail(Fail {
                error: self.text_field(fields, "Error", language),
                cause: self.text_field(fields, "Cause", language),
            })),
            "Parallel" => self.parallel(fields, language, names, depth).map(Kind::Parallel),
            "Map" => self.map(fields, language, names, depth).map(|map| Kind::Map(Box::new(map))),
            _ => {
                let location = format!("{}/Type", fields.location);
                self.complain(
                    "The field 'Type' should have one of these values: [Task, Wait, Pass, \
                     Succeed, Fail, Choice, Parallel, Map]",
                    &location,
                    fields.node.span,
                );
                None
            }
        };
        let is_map = matches!(kind, Some(Kind::Map(_)));
        let io = self.io(fields, language, is_map);
        Some(State { name: name.clone(), language, io, kind: kind? })
    }

    fn io(&mut self, fields: &Fields<'_>, language: Language, is_map: bool) -> Io {
        let assign = self.template(fields, "Assign", language);
        match language {
            Language::JsonPath => Io {
                input_path: self.input_path(fields, "InputPath"),
                // The Parameters of a Map are the old name of its ItemSelector.
                arguments: if is_map {
                    None
                } else {
                    self.template(fields, "Parameters", language)
                },
                result_selector: self.template(fields, "ResultSelector", language),
                result_path: self.result_path(fields),
                output_path: self.input_path(fields, "OutputPath"),
                output: None,
                assign,
            },
            Language::Jsonata => Io {
                arguments: self.template(fields, "Arguments", language),
                output: self.template(fields, "Output", language),
                assign,
                ..Io::default()
            },
        }
    }

    fn parallel(
        &mut self,
        fields: &Fields<'_>,
        language: Language,
        names: &Names,
        depth: usize,
    ) -> Option<Parallel> {
        let branches = fields.items("Branches");
        if branches.is_empty() {
            self.missing(fields, "Branches");
            return None;
        }
        let branches: Vec<_> =
            branches.iter().map(|branch| self.scope(branch, depth + 1)).collect();
        let retry = self.retriers(fields);
        let catch = self.catchers(fields, language, names);
        let next = self.next(fields, names)?;
        Some(Parallel {
            branches: branches.into_iter().collect::<Option<_>>()?,
            retry,
            catch,
            next,
        })
    }
}
