// Makes side-by-side.json: what aws-cdk-lib 2.276.0 makes of the TypeScript in docs/src/side-by-side.md.
const H = require('../_harness.js');
const { cdk, sfn, tasks, lambda, s3, sns, Duration } = H;
const fs = require('fs');
const manual = fs.readFileSync(process.argv[2], 'utf8');
const blocks = [...manual.matchAll(/```typescript\n([\s\S]*?)```/g)].map(m => m[1]
  .replace(/: string/g, '').replace(/: sfn\.IChainable/g, '').replace(/this/g, 'stack'));
const out = blocks.map(block => {
  const { template } = H.synth(stack => {
    const f = n => lambda.Function.fromFunctionName(stack, 'f' + n, n);
    new Function('stack', 'sfn', 'tasks', 'lambda', 'Duration', 'submitLambda', 'getStatusLambda', 'loadLambda', 'uploads', 'news', block)(
      stack, sfn, tasks, lambda, Duration, f('submit'), f('status'), f('load'),
      s3.Bucket.fromBucketName(stack, 'u', 'uploads'), sns.Topic.fromTopicArn(stack, 'n', 'arn:aws:sns:us-east-1:123456789012:news'));
  });
  const { defs, policies } = H.extract(template);
  const id = Object.keys(defs).pop();
  return { definition: defs[id], statements: policies[id].statements };
});
fs.writeFileSync('side-by-side.json', JSON.stringify(out, null, 1) + '\n');
