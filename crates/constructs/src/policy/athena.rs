//! What a query of Athena's needs.

use crate::text::{Text, local_arn, text};

/// The permissions that a query needs: to run, to read its data, and to write its result.
pub(crate) fn query_permissions(
    catalog: Text,
    group: Text,
    database: &Text,
    results: Text,
) -> [(&'static [&'static str], Vec<Text>); 5] {
    let tables = |rest: Text| local_arn("glue", rest);
    [
        (
            &["athena:getDataCatalog", "athena:startQueryExecution", "athena:getQueryExecution"],
            vec![
                local_arn("athena", text!("datacatalog/", catalog)),
                local_arn("athena", text!("workgroup/", group)),
            ],
        ),
        (
            &["s3:CreateBucket", "s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject"],
            vec!["*".into()],
        ),
        (
            &[
                "s3:AbortMultipartUpload",
                "s3:ListBucketMultipartUploads",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ],
            vec![results],
        ),
        (&["lakeformation:GetDataAccess"], vec!["*".into()]),
        (
            &GLUE_ACTIONS,
            vec![
                tables("catalog".into()),
                tables(text!("database/", database)),
                tables(text!("table/", database, "/*")),
                tables(text!("userDefinedFunction/", database, "/*")),
            ],
        ),
    ]
}

const GLUE_ACTIONS: [&str; 19] = [
    "glue:BatchCreatePartition",
    "glue:BatchDeletePartition",
    "glue:BatchDeleteTable",
    "glue:BatchGetPartition",
    "glue:CreateDatabase",
    "glue:CreatePartition",
    "glue:CreateTable",
    "glue:DeleteDatabase",
    "glue:DeletePartition",
    "glue:DeleteTable",
    "glue:GetDatabase",
    "glue:GetDatabases",
    "glue:GetPartition",
    "glue:GetPartitions",
    "glue:GetTable",
    "glue:GetTables",
    "glue:UpdateDatabase",
    "glue:UpdatePartition",
    "glue:UpdateTable",
];
