use crate::object;
use crate::text::{Text, text};
use crate::value::Value;

/// Where a file system of EFS is mounted in the containers of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct MountPointConfiguration {
    file_system_id: Text,
    access_point_id: Option<Text>,
    mount_point: Text,
    root_directory: String,
    read_only: bool,
}

impl MountPointConfiguration {
    /// A file system, mounted under `/opt/efs/` and its id if nothing else is said.
    pub fn from_file_system(file_system_id: impl Into<Text>) -> Self {
        let file_system_id = file_system_id.into();
        Self {
            mount_point: text!("/opt/efs/", &file_system_id),
            file_system_id,
            access_point_id: None,
            root_directory: "/".into(),
            read_only: false,
        }
    }

    /// An access point of a file system, mounted under `/opt/efs/` and its id if nothing else is said.
    pub fn from_access_point(
        file_system_id: impl Into<Text>,
        access_point_id: impl Into<Text>,
    ) -> Self {
        let access_point_id = access_point_id.into();
        Self {
            mount_point: text!("/opt/efs/", &access_point_id),
            access_point_id: Some(access_point_id),
            ..Self::from_file_system(file_system_id)
        }
    }

    /// Where it is mounted; has to start with a slash.
    #[must_use]
    pub fn mount_point(mut self, path: impl Into<Text>) -> Self {
        self.mount_point = path.into();
        self
    }

    /// The directory of the file system that is mounted; not with an access point, which has its own.
    #[must_use]
    pub fn root_directory(mut self, path: &str) -> Self {
        path.clone_into(&mut self.root_directory);
        self
    }

    /// Only for reading.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Where it is mounted.
    pub fn path(&self) -> String {
        self.mount_point.readable()
    }

    /// The mount point of a job definition.
    pub fn to_batch_mount_point(&self, name: &str) -> Value {
        object! {
            "ReadOnly": self.read_only,
            "ContainerPath": &self.mount_point,
            "SourceVolume": name,
        }
    }

    /// The volume of a job definition.
    pub fn to_batch_volume(&self, name: &str) -> Value {
        let volume = match &self.access_point_id {
            Some(access_point) => object! {
                "FileSystemId": &self.file_system_id,
                "TransitEncryption": "ENABLED",
                "AuthorizationConfig": {"AccessPointId": access_point, "Iam": "DISABLED"},
            },
            None => object! {
                "FileSystemId": &self.file_system_id,
                "RootDirectory": self.root_directory.as_str(),
            },
        };
        object! {"Name": name, "EfsVolumeConfiguration": volume}
    }

    /// What the functions of the demand executor are told of it.
    pub fn to_file_system_configuration(&self) -> Value {
        let mut members = vec![("file_system".to_owned(), Value::from(&self.file_system_id))];
        members
            .extend(self.access_point_id.as_ref().map(|id| ("access_point".to_owned(), id.into())));
        members.push(("container_path".to_owned(), Value::from(&self.mount_point)));
        Value::Object(members)
    }
}

impl From<&MountPointConfiguration> for MountPointConfiguration {
    fn from(configuration: &MountPointConfiguration) -> Self {
        configuration.clone()
    }
}

/// The mount points and volumes of a job definition.
pub(crate) fn mount_points_and_volumes(
    configurations: &[MountPointConfiguration],
) -> (Value, Value) {
    let named = |make: fn(&MountPointConfiguration, &str) -> Value| {
        let values = configurations
            .iter()
            .enumerate()
            .map(|(index, configuration)| make(configuration, &format!("efs-vol{index}")));
        Value::List(values.collect())
    };
    (
        named(MountPointConfiguration::to_batch_mount_point),
        named(MountPointConfiguration::to_batch_volume),
    )
}
