// The same as index.cjs, for `import`.
import stepwright from './index.cjs'

export const { Simulator, StepwrightError, TaskFails, Execution, defineTests, runTests, simulate, startServer } = stepwright
export default stepwright
