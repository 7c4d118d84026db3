//! Opens the device the user named.

use anyhow::bail;
use candle_core::Device;

use crate::sam2::Sam2Error;

/// `auto` takes a GPU this build can use, else the CPU; `cpu`, `cuda:N` and `metal:N` are taken at their word.
///
/// # Errors
/// When the name is unknown or the device is not there.
pub fn open(name: &str) -> anyhow::Result<Device> {
    let failed = |e: candle_core::Error| Sam2Error::Device { device: name.to_owned(), reason: e.to_string() };
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    if name == "auto" {
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
        return Ok(Device::Cpu);
    }
    let (kind, number) = name.split_once(':').unwrap_or((name, "0"));
    let Ok(number) = number.parse() else { bail!("{name}: a device is auto, cpu, cuda:0 or metal:0") };
    match kind {
        "cuda" => Ok(Device::new_cuda(number).map_err(failed)?),
        "metal" => Ok(Device::new_metal(number).map_err(failed)?),
        _ => bail!("{name}: a device is auto, cpu, cuda:0 or metal:0"),
    }
}
