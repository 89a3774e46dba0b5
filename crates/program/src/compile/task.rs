use super::fields::Fields;
use super::{Compiler, Names};
use crate::state::{Language, Resource, Task};

impl Compiler {
    pub(super) fn task(
        &mut self,
        fields: &Fields<'_>,
        language: Language,
        names: &Names,
    ) -> Option<Task> {
        let resource = self.text(fields, "Resource");
        if fields.get("Resource").is_none() {
            self.missing(fields, "Resource");
        }
        let timeout = self.number_field(fields, "TimeoutSeconds", language);
        let heartbeat = self.number_field(fields, "HeartbeatSeconds", language);
        let credentials = self.template(fields, "Credentials", language);
        let retry = self.retriers(fields);
        let catch = self.catchers(fields, language, names);
        let next = self.next(fields, names)?;
        let resource = Resource::parse(&resource?);
        Some(Task { resource, timeout, heartbeat, credentials, retry, catch, next })
    }
}
