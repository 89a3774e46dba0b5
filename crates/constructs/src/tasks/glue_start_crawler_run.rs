use crate::Str;
use crate::common::IntegrationPattern::RequestResponse;
use crate::tasks::{Plan, ServiceTask};
use crate::text::{local_arn, text};

task! {
    /// Starts a Glue crawler.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let crawl = GlueStartCrawlerRun::new("Task", "my-crawler");
    /// assert!(StateMachine::new("Crawling", crawl).asl().is_ok());
    /// ```
    ///
    /// A crawler does not report its end. AWS is not expected to accept `.sync`, and nobody
    /// receives the task token. Both are refused unless `unsupported_by_aws` asks for the
    /// definition that the CDK would write.
    pub struct GlueStartCrawlerRun [RequestResponse, RunJob, WaitForTaskToken] {
        required { crawler_name: Str => "Name", }
        optional {
            /// Writes `.sync` and `.waitForTaskToken`, although they have no effect on AWS.
            unsupported_by_aws: bool,
        }
    }
}

impl ServiceTask for GlueStartCrawlerRun {
    fn plan(&self, plan: &mut Plan) {
        plan.service("aws-sdk:glue", "startCrawler");
        if !plan.is(RequestResponse) && self.unsupported_by_aws != Some(true) {
            plan.problem("a crawler can only be started, not waited for; `unsupported_by_aws(true)` writes it all the same");
        }
        let crawler = local_arn("glue", text!("crawler/", self.crawler_name.known_or_any()));
        plan.allow(&["glue:StartCrawler", "glue:GetCrawler"], [crawler]);
        self.put_fields(plan);
    }
}
