//! Where the model runs: what the user wrote, and the device it names. Called by the engine's thread and the command
//! line; it opens devices and runs nothing on them.

use candle_core::{Device, DeviceLocation};

use crate::sam2::Sam2Error;
use crate::sam2::kernels::{Precision, bf16};
use crate::sam2::model::LoadOptions;

use super::protocol::DeviceChoice;

impl DeviceChoice {
    /// Reads `auto`, `cpu`, `cpu:f32`, `cpu:bf16`, `cuda:N` or `metal:N`.
    ///
    /// # Errors
    /// Says what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(':').unwrap_or((text, "0"));
        let number = || number.parse().map_err(|_| format!("{text}: the device's number is missing"));
        match (kind, text) {
            ("auto", "auto") => Ok(DeviceChoice::Auto),
            ("cpu", "cpu") => Ok(DeviceChoice::Cpu),
            ("cpu", "cpu:f32") => Ok(DeviceChoice::CpuF32),
            ("cpu", "cpu:bf16") => Ok(DeviceChoice::CpuBf16),
            ("cuda", _) => Ok(DeviceChoice::Cuda(number()?)),
            ("metal", _) => Ok(DeviceChoice::Metal(number()?)),
            _ => Err("write auto, cpu, cpu:f32, cpu:bf16, cuda:0 or metal:0".to_owned()),
        }
    }
}

/// As [`DeviceChoice::parse`] reads it.
impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DeviceChoice::Auto => f.write_str("auto"),
            DeviceChoice::Cpu => f.write_str("cpu"),
            DeviceChoice::CpuF32 => f.write_str("cpu:f32"),
            DeviceChoice::CpuBf16 => f.write_str("cpu:bf16"),
            DeviceChoice::Cuda(n) => write!(f, "cuda:{n}"),
            DeviceChoice::Metal(n) => write!(f, "metal:{n}"),
        }
    }
}

/// A device that can be used, and the arithmetic to use on it.
#[derive(Debug, Clone)]
pub struct OpenDevice {
    /// The device.
    pub device: Device,
    /// How large products are done there.
    pub precision: Precision,
}

impl OpenDevice {
    /// How to load a model for it: at `resolution` pixels a side, or at the model's own.
    pub fn load_options(&self, resolution: Option<u32>) -> LoadOptions {
        let image_size = resolution.map(|side| side as usize);
        LoadOptions { image_size, precision: self.precision, ..LoadOptions::default() }
    }

    /// The device as the status line names it. Masks are the same to the last bit only where these words are.
    pub fn words(&self) -> String {
        match (self.device.location(), self.precision) {
            (DeviceLocation::Cpu, Precision::F32) => "CPU".to_owned(),
            (DeviceLocation::Cpu, Precision::Bf16) => "CPU (bf16)".to_owned(),
            (DeviceLocation::Cuda { gpu_id }, _) => format!("CUDA {gpu_id}"),
            (DeviceLocation::Metal { gpu_id }, _) => format!("Metal {gpu_id}"),
        }
    }
}

/// Opens a device. `Auto` falls back to the processor; a named device that is not there is an error.
///
/// # Errors
/// When the named device cannot be used, or the processor has no instructions for bf16 and that was asked for.
pub fn open_device(choice: DeviceChoice) -> Result<OpenDevice, Sam2Error> {
    let failed = |e: candle_core::Error| Sam2Error::Device { device: choice.to_string(), reason: e.to_string() };
    let on = |device: Device, precision: Precision| OpenDevice { device, precision };
    let processor = || on(Device::Cpu, if bf16::is_fast() { Precision::Bf16 } else { Precision::F32 });
    match choice {
        DeviceChoice::Cpu => Ok(processor()),
        DeviceChoice::CpuF32 => Ok(on(Device::Cpu, Precision::F32)),
        DeviceChoice::CpuBf16 if bf16::is_fast() => Ok(processor()),
        DeviceChoice::CpuBf16 => Err(Sam2Error::Device {
            device: choice.to_string(),
            reason: "this processor has no instructions for bf16 (AVX512-BF16), use cpu".to_owned(),
        }),
        DeviceChoice::Cuda(n) => Device::new_cuda(n).map(|gpu| on(gpu, Precision::F32)).map_err(failed),
        DeviceChoice::Metal(n) => Device::new_metal(n).map(|gpu| on(gpu, Precision::F32)).map_err(failed),
        DeviceChoice::Auto => {
            if cfg!(feature = "cuda")
                && let Ok(device) = Device::new_cuda(0)
            {
                return Ok(on(device, Precision::F32));
            }
            if cfg!(feature = "metal")
                && let Ok(device) = Device::new_metal(0)
            {
                return Ok(on(device, Precision::F32));
            }
            Ok(processor())
        }
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
            ("cpu:f32", Some(DeviceChoice::CpuF32)),
            ("cpu:bf16", Some(DeviceChoice::CpuBf16)),
            ("cuda", Some(DeviceChoice::Cuda(0))),
            ("cuda:3", Some(DeviceChoice::Cuda(3))),
            ("metal:1", Some(DeviceChoice::Metal(1))),
            ("cpu:1", None),
            ("cuda:", None),
            ("cuda:x", None),
            ("gpu", None),
        ];
        for (text, expected) in cases {
            let read = DeviceChoice::parse(text).ok();
            assert_eq!(read, expected, "{text}");
            if let Some(choice) = read {
                assert_eq!(DeviceChoice::parse(&choice.to_string()), Ok(choice), "{text}");
            }
        }
    }

    #[test]
    fn the_processor_is_used_in_the_arithmetic_it_is_good_at() {
        let words = |choice| open_device(choice).map(|device| device.words()).map_err(|e| e.to_string());
        assert_eq!(words(DeviceChoice::CpuF32).as_deref(), Ok("CPU"));
        if bf16::is_fast() {
            assert_eq!(words(DeviceChoice::Cpu).as_deref(), Ok("CPU (bf16)"));
            assert_eq!(words(DeviceChoice::CpuBf16).as_deref(), Ok("CPU (bf16)"));
        } else {
            assert_eq!(words(DeviceChoice::Cpu).as_deref(), Ok("CPU"));
            let error = words(DeviceChoice::CpuBf16).expect_err("the processor cannot");
            assert!(error.contains("cpu:bf16") && error.contains("AVX512-BF16"), "{error}");
        }
    }
}
