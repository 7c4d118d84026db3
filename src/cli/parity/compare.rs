//! How close two results must be. The thresholds come from how far the reference is from itself with other kernels.

use std::fmt;

/// Which thresholds apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Thresholds {
    /// Single precision.
    F32,
    /// Half precision: only masks are compared.
    Half,
}

/// How one key compares.
#[derive(Debug)]
pub struct KeyReport {
    /// The key.
    pub name: String,
    /// Largest absolute difference.
    pub max: f64,
    /// Mean absolute difference.
    pub mean: f64,
    /// ‖ours - golden‖ / ‖golden‖.
    pub relative: f64,
    /// IoU of the masks, where the key is one.
    pub iou: Option<f64>,
    /// The threshold that was missed.
    pub failure: Option<String>,
}

impl KeyReport {
    /// A key that the golden has and the run did not produce.
    pub(super) fn not_produced(name: &str) -> Self {
        KeyReport {
            name: name.to_owned(),
            max: f64::INFINITY,
            mean: f64::INFINITY,
            relative: f64::INFINITY,
            iou: None,
            failure: Some("not produced by the run; does the golden belong to this scenario?".to_owned()),
        }
    }
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.failure.is_some() { "FAIL" } else { "ok" };
        write!(
            f,
            "{verdict:4} {:42} max {:.3e} mean {:.3e} rel {:.3e}",
            self.name, self.max, self.mean, self.relative
        )?;
        if let Some(iou) = self.iou {
            write!(f, " IoU {iou:.6}")?;
        }
        if let Some(failure) = &self.failure {
            write!(f, "  {failure}")?;
        }
        Ok(())
    }
}

/// Compares one key.
pub fn compare(name: &str, shape: &[usize], ours: &[f32], golden: &[f32], thresholds: Thresholds) -> KeyReport {
    let mut report = KeyReport { name: name.to_owned(), max: 0.0, mean: 0.0, relative: 0.0, iou: None, failure: None };
    if ours.len() != golden.len() {
        report.failure = Some(format!("{} values, the golden has {shape:?}", ours.len()));
        report.max = f64::INFINITY;
        return report;
    }
    let pairs = || ours.iter().zip(golden).map(|(a, b)| (f64::from(*a), f64::from(*b)));
    // NaN must fail: it never compares below a threshold, and `f64::max` would drop it.
    let max = pairs().map(|(a, b)| (a - b).abs()).fold(0.0, |m: f64, d| if d > m || d.is_nan() { d } else { m });
    report.max = max;
    report.mean = pairs().map(|(a, b)| (a - b).abs()).sum::<f64>() / golden.len().max(1) as f64;
    let norm = |values: f64| values.sqrt();
    let difference = norm(pairs().map(|(a, b)| (a - b) * (a - b)).sum());
    let size = norm(pairs().map(|(_, b)| b * b).sum());
    report.relative = if difference == 0.0 { 0.0 } else { difference / size };
    let kind = name.rsplit('.').next().unwrap_or(name);
    let is_step = name.starts_with("step");
    if is_step && kind == "low_res_logits" {
        let both = pairs().filter(|(a, b)| *a > 0.0 && *b > 0.0).count();
        let any = pairs().filter(|(a, b)| *a > 0.0 || *b > 0.0).count();
        report.iou = Some(if any == 0 { 1.0 } else { both as f64 / any as f64 });
    }
    report.failure = failure(&report, kind, is_step, golden, thresholds);
    report
}

fn failure(report: &KeyReport, kind: &str, is_step: bool, golden: &[f32], thresholds: Thresholds) -> Option<String> {
    // NaN is not below anything.
    let below = |what: &str, value: f64, limit: f64| {
        let is_below = value < limit;
        (!is_below).then(|| format!("{what} {value:.3e} is not below {limit:.3e}"))
    };
    let iou_at_least =
        |limit: f64| report.iou.filter(|iou| *iou < limit).map(|iou| format!("IoU {iou:.6} is below {limit}"));
    match (thresholds, is_step, kind) {
        (Thresholds::Half, true, "low_res_logits") => iou_at_least(0.98),
        (Thresholds::Half, _, _) => None,
        (Thresholds::F32, false, _) => below("relative", report.relative, 1e-3),
        (Thresholds::F32, true, "low_res_logits") => {
            iou_at_least(0.999).or_else(|| below("max", report.max, 0.1)).or_else(|| below("mean", report.mean, 2e-3))
        }
        (Thresholds::F32, true, "video_logits") => {
            below("max", report.max, 0.1).or_else(|| below("mean", report.mean, 2e-3))
        }
        (Thresholds::F32, true, "area") => {
            let area = golden.first().copied().map_or(0.0, f64::from);
            below("area is off by", report.max, area * 0.002 + 8.0 + f64::EPSILON)
        }
        (Thresholds::F32, true, _) => below("max", report.max, 2e-3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_threshold_can_fail() {
        let cases: [(&str, &[f32], &[f32], bool); 9] = [
            ("step0.f0.o1.low_res_logits", &[1.0, -1.0], &[1.01, -1.0005], false),
            ("step0.f0.o1.low_res_logits", &[1.0, -1.0], &[1.0, -1.0], true),
            ("step0.f0.o1.low_res_logits", &[0.0005, -1.0], &[-0.0005, -1.0], false),
            ("step0.f0.o1.area", &[109.0], &[100.0], false),
            ("step0.f0.o1.area", &[108.0], &[100.0], true),
            ("step0.f0.o1.object_score", &[f32::NAN], &[1.0], false),
            ("step0.f0.o1.object_score", &[1.001], &[1.0], true),
            ("encoder.0.fpn0", &[1.0, 1.0], &[1.0, 1.01], false),
            ("encoder.0.fpn0", &[1.0], &[1.0, 1.0], false),
        ];
        for (name, ours, golden, passes) in cases {
            let report = compare(name, &[golden.len()], ours, golden, Thresholds::F32);
            assert_eq!(report.failure.is_none(), passes, "{report}");
        }
    }

    #[test]
    fn half_precision_compares_masks_only() {
        let report = compare("step0.f0.o1.low_res_logits", &[2], &[1.5, -1.0], &[1.0, -1.0], Thresholds::Half);
        assert!(report.failure.is_none());
        let report = compare("step0.f0.o1.low_res_logits", &[2], &[1.5, 1.0], &[1.0, -1.0], Thresholds::Half);
        assert!(report.failure.is_some());
    }
}
