//! How the window looks: quiet greys, one accent, amber for "look at this", red for "failed". Nothing else has colour
//! but the objects.

use bevy_egui::egui::{
    self, Color32, CornerRadius, FontDefinitions, FontFamily, FontId, Margin, Shadow, Stroke, TextStyle, Vec2, Visuals,
};

use super::action::Theme;

/// The colours of a theme.
#[derive(Debug, Clone, Copy)]
pub struct Colours {
    /// Panels.
    pub panel: Color32,
    /// Fields, lists and the timeline's ground.
    pub field: Color32,
    /// Buttons.
    pub button: Color32,
    /// Buttons under the pointer.
    pub hovered: Color32,
    /// Lines between panels.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text that may be passed over.
    pub quiet: Color32,
    /// Focus, playhead, the big verb.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Look at this.
    pub amber: Color32,
    /// Failed.
    pub red: Color32,
    /// Around the picture.
    pub canvas: Color32,
}

impl Colours {
    /// Those of a theme.
    pub const fn of(theme: Theme) -> Self {
        match theme {
            Theme::Dark => Colours {
                panel: Color32::from_gray(0x25),
                field: Color32::from_gray(0x1A),
                button: Color32::from_gray(0x36),
                hovered: Color32::from_gray(0x45),
                line: Color32::from_gray(0x3C),
                text: Color32::from_gray(0xE2),
                quiet: Color32::from_gray(0xB4),
                accent: Color32::from_rgb(0x5A, 0xA9, 0xF5),
                on_accent: Color32::from_gray(0x10),
                amber: Color32::from_rgb(0xF2, 0xB1, 0x3C),
                red: Color32::from_rgb(0xFF, 0x7B, 0x72),
                canvas: Color32::from_gray(0x14),
            },
            Theme::Light => Colours {
                panel: Color32::from_gray(0xF0),
                field: Color32::from_gray(0xFF),
                button: Color32::from_gray(0xE0),
                hovered: Color32::from_gray(0xD2),
                line: Color32::from_gray(0xC8),
                text: Color32::from_gray(0x1C),
                quiet: Color32::from_gray(0x50),
                accent: Color32::from_rgb(0x0B, 0x5C, 0xB0),
                on_accent: Color32::from_gray(0xFF),
                amber: Color32::from_rgb(0x79, 0x4C, 0x00),
                red: Color32::from_rgb(0xB0, 0x1C, 0x1C),
                canvas: Color32::from_gray(0xB4),
            },
        }
    }
}

/// The ground around the picture.
pub fn canvas_background(theme: Theme) -> [u8; 3] {
    let [r, g, b, _] = Colours::of(theme).canvas.to_array();
    [r, g, b]
}

/// Text that counts: figures as wide as each other.
pub fn figures() -> FontId {
    FontId::monospace(12.0)
}

/// Fonts and icons; once at the start.
pub fn install_fonts(ctx: &egui::Context) {
    let mut fonts = FontDefinitions::default();
    egui_phosphor::add_to_fonts(&mut fonts, egui_phosphor::Variant::Regular);
    // Icons stand among figures too, and arrows, which only the font of the figures has, among words.
    for (family, font) in [(FontFamily::Monospace, "phosphor"), (FontFamily::Proportional, "Hack")] {
        if let Some(fonts) = fonts.families.get_mut(&family) {
            fonts.push(font.to_owned());
        }
    }
    ctx.set_fonts(fonts);
}

/// Gives the window its looks.
pub fn apply(ctx: &egui::Context, theme: Theme) {
    let colours = Colours::of(theme);
    let egui_theme = match theme {
        Theme::Dark => egui::Theme::Dark,
        Theme::Light => egui::Theme::Light,
    };
    ctx.set_theme(egui_theme);
    ctx.style_mut_of(egui_theme, |style| {
        style.text_styles = [
            (TextStyle::Heading, FontId::new(18.0, FontFamily::Proportional)),
            (TextStyle::Body, FontId::new(13.0, FontFamily::Proportional)),
            (TextStyle::Button, FontId::new(13.0, FontFamily::Proportional)),
            (TextStyle::Small, FontId::new(11.0, FontFamily::Proportional)),
            (TextStyle::Monospace, figures()),
        ]
        .into();
        style.spacing.item_spacing = Vec2::new(8.0, 4.0);
        style.spacing.button_padding = Vec2::new(8.0, 4.0);
        style.spacing.interact_size = Vec2::new(24.0, 24.0);
        style.spacing.menu_margin = Margin::same(8);
        style.spacing.window_margin = Margin::same(16);
        style.interaction.tooltip_delay = 0.4;
        style.animation_time = 0.0;
        style.visuals = visuals(theme, &colours);
    });
}

/// For panels that are not ours and write with the colour of what is selected: one that can be read, on panels and behind
/// text.
pub fn strong_selection(visuals: &mut Visuals, theme: Theme) {
    let colours = Colours::of(theme);
    visuals.selection.bg_fill = colours.accent;
    visuals.selection.stroke = Stroke::new(1.0, colours.on_accent);
}

fn visuals(theme: Theme, colours: &Colours) -> Visuals {
    let mut visuals = match theme {
        Theme::Dark => Visuals::dark(),
        Theme::Light => Visuals::light(),
    };
    visuals.panel_fill = colours.panel;
    visuals.window_fill = colours.panel;
    visuals.extreme_bg_color = colours.field;
    visuals.faint_bg_color = colours.field;
    visuals.window_stroke = Stroke::new(1.0, colours.line);
    visuals.window_shadow = Shadow::NONE;
    visuals.error_fg_color = colours.red;
    visuals.warn_fg_color = colours.amber;
    visuals.hyperlink_color = colours.accent;
    visuals.selection.bg_fill = colours.accent.gamma_multiply(0.22);
    visuals.selection.stroke = Stroke::new(1.0, colours.text);
    // A blinking cursor would redraw the window for ever.
    visuals.text_cursor.blink = false;
    let radius = CornerRadius::same(4);
    let widgets = &mut visuals.widgets;
    for (widget, fill, text) in [
        (&mut widgets.noninteractive, colours.panel, colours.text),
        (&mut widgets.inactive, colours.button, colours.text),
        (&mut widgets.hovered, colours.hovered, colours.text),
        (&mut widgets.active, colours.hovered, colours.text),
        (&mut widgets.open, colours.button, colours.text),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = Stroke::NONE;
        widget.fg_stroke = Stroke::new(1.0, text);
        widget.corner_radius = radius;
        widget.expansion = 0.0;
    }
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, colours.line);
    widgets.noninteractive.fg_stroke = Stroke::new(1.0, colours.text);
    widgets.hovered.bg_stroke = Stroke::new(1.0, colours.line);
    widgets.active.bg_stroke = Stroke::new(1.0, colours.accent);
    visuals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: Color32) -> f64 {
        let linear = |code: u8| {
            let value = f64::from(code) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(colour.r()) + 0.7152 * linear(colour.g()) + 0.0722 * linear(colour.b())
    }

    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn no_sign_among_words_shows_as_an_empty_box() {
        let ctx = egui::Context::default();
        install_fonts(&ctx);
        // The fonts are there from the first pass on.
        ctx.run_ui(egui::RawInput::default(), |_| {}).textures_delta.clear();
        for sign in "←→↑↓…·×–".chars() {
            assert!(ctx.fonts_mut(|fonts| fonts.has_glyph(&FontId::proportional(13.0), sign)), "{sign}");
        }
    }

    #[test]
    fn all_text_can_be_read() {
        for theme in [Theme::Dark, Theme::Light] {
            let c = Colours::of(theme);
            let pairs = [
                ("text on panels", c.text, c.panel),
                ("text on fields", c.text, c.field),
                ("text on buttons", c.text, c.button),
                ("text on hovered buttons", c.text, c.hovered),
                ("quiet text on panels", c.quiet, c.panel),
                ("quiet text on fields", c.quiet, c.field),
                ("quiet text on hovered rows", c.quiet, c.hovered),
                ("text on the accent", c.on_accent, c.accent),
                ("amber on panels", c.amber, c.panel),
                ("red on panels", c.red, c.panel),
                ("accent on panels", c.accent, c.panel),
            ];
            for (name, text, ground) in pairs {
                let found = contrast(text, ground);
                assert!(found >= 4.5, "{theme:?}: {name}: {found:.2}");
            }
        }
    }
}
