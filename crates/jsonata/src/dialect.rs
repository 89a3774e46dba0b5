/// Which JSONata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// What AWS Step Functions documents: 2.0.6 with `$partition`, `$range`, `$hash`, `$random`
    /// (with a seed), `$uuid` and `$parse`, without `$eval`.
    #[default]
    StepFunctions,
    /// 2.0.6 as it is published.
    V2_0_6,
    /// The newest published version, 2.2.2.
    Latest,
    /// The functions of [`Dialect::StepFunctions`] with the syntax of [`Dialect::Latest`].
    StepFunctionsLatest,
}

impl Dialect {
    /// Whether syntax and behaviour newer than 2.0.6 are on.
    pub(crate) fn newer(self) -> bool {
        matches!(self, Self::Latest | Self::StepFunctionsLatest)
    }

    /// Whether the functions are those of Step Functions.
    pub(crate) fn step_functions(self) -> bool {
        matches!(self, Self::StepFunctions | Self::StepFunctionsLatest)
    }
}
