use crate::object;
use crate::text::{Text, text};
use crate::value::Value;

/// An EFS file system, and where it is mounted in the containers of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct MountPointConfiguration {
    file_system_id: Text,
    access_point_id: Option<Text>,
    mount_point: Text,
    root_directory: String,
    read_only: bool,
}

impl MountPointConfiguration {
    /// Mounts a file system. The default mount point is `/opt/efs/` followed by its id.
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

    /// Mounts an access point of a file system. The default mount point is `/opt/efs/` followed by
    /// its id.
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

    /// The mount point, which must start with a slash.
    #[must_use]
    pub fn mount_point(mut self, path: impl Into<Text>) -> Self {
        self.mount_point = path.into();
        self
    }

    /// The directory of the file system to mount. Not for an access point, which has its own.
    #[must_use]
    pub fn root_directory(mut self, path: &str) -> Self {
        path.clone_into(&mut self.root_directory);
        self
    }

    /// Mounts it read-only.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// The mount point.
    pub fn path(&self) -> String {
        self.mount_point.readable()
    }

    /// The mount point as a job definition has it.
    pub fn to_batch_mount_point(&self, name: &str) -> Value {
        object! {
            "ReadOnly": self.read_only,
            "ContainerPath": &self.mount_point,
            "SourceVolume": name,
        }
    }

    /// The volume as a job definition has it.
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

    /// The description of the file system for the functions of the demand executor.
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
