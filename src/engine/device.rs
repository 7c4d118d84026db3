//! Where the model runs: what the user wrote, and the device it names. Called by the engine's thread and the command
//! line; it opens devices and runs nothing on them.

use candle_core::{Device, DeviceLocation};

use crate::sam2::Sam2Error;

use super::protocol::DeviceChoice;

impl DeviceChoice {
    /// Reads `auto`, `cpu`, `cuda:N` or `metal:N`.
    ///
    /// # Errors
    /// Says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').unwrap_or((text, "0"));
        let number = || number.parse().map_err(|_| format!("{text}: the device's number is missing"));
        match kind {
            "auto" if text == kind => Ok(DeviceChoice::Auto),
            "cpu" if text == kind => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda(number()?)),
            "metal" => Ok(DeviceChoice::Metal(number()?)),
            _ => Err("write auto, cpu, cuda:0 or metal:0".to_owned()),
        }
    }
}

/// Opens a device. `Auto` falls back to the processor; a named device that is not there is an error.
///
/// # Errors
/// When the named device cannot be used.
pub fn open_device(choice: DeviceChoice) -> Result<Device, Sam2Error> {
    let failed = |name: String| move |e: candle_core::Error| Sam2Error::Device { device: name, reason: e.to_string() };
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(n) => Device::new_cuda(n).map_err(failed(format!("cuda:{n}"))),
        DeviceChoice::Metal(n) => Device::new_metal(n).map_err(failed(format!("metal:{n}"))),
        DeviceChoice::Auto => {
            if cfg!(feature = "cuda")
                && let Ok(device) = Device::new_cuda(0)
            {
                return Ok(device);
            }
            if cfg!(feature = "metal")
                && let Ok(device) = Device::new_metal(0)
            {
                return Ok(device);
            }
            Ok(Device::Cpu)
        }
    }
}

/// A device as the status line names it.
pub fn device_words(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "CPU".to_owned(),
        DeviceLocation::Cuda { gpu_id } => format!("CUDA {gpu_id}"),
        DeviceLocation::Metal { gpu_id } => format!("Metal {gpu_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_nonsense_is_refused() {
        let cases = [
            ("auto", Some(DeviceChoice::Auto)),
            ("cpu", Some(DeviceChoice::Cpu)),
            ("cuda", Some(DeviceChoice::Cuda(0))),
            ("cuda:3", Some(DeviceChoice::Cuda(3))),
            ("metal:1", Some(DeviceChoice::Metal(1))),
            ("cpu:1", None),
            ("cuda:", None),
            ("cuda:x", None),
            ("gpu", None),
        ];
        for (text, expected) in cases {
            assert_eq!(DeviceChoice::parse(text).ok(), expected, "{text}");
        }
    }
}
