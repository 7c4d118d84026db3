// The canvas: a frame's planes, the label map and the preview mask become one picture.
//
// Bound by material.rs, whose OverlayParams this file repeats field by field and which defines one of PLANES_RGB, _LUMA,
// _THREE and _TWO, and TWO_BYTE_SAMPLES above 8 bits. Everything is computed per physical pixel
// from its position on the window; colours are sRGB codes from 0 to 1 until the last line. Positions on the frame are in
// texels from the picture's top-left edge.

#import bevy_sprite::mesh2d_view_bindings::view

struct Params {
    rect: vec4<f32>,
    texels_from_pixels: vec4<f32>,
    frame: vec4<f32>,
    rgb_rows: array<vec4<f32>, 3>,
    chroma: vec4<f32>,
    sampling: vec4<f32>,
    fills: vec4<f32>,
    lines: vec4<f32>,
    background: vec4<f32>,
    switches: vec2<u32>,
    palette: array<vec4<f32>, 256>,
}

@group(#{MATERIAL_BIND_GROUP}) @binding(0) var<uniform> params: Params;
@group(#{MATERIAL_BIND_GROUP}) @binding(1) var plane_0: texture_2d<f32>;
@group(#{MATERIAL_BIND_GROUP}) @binding(2) var plane_sampler: sampler;
@group(#{MATERIAL_BIND_GROUP}) @binding(3) var plane_1: texture_2d<f32>;
@group(#{MATERIAL_BIND_GROUP}) @binding(4) var plane_2: texture_2d<f32>;
@group(#{MATERIAL_BIND_GROUP}) @binding(5) var label_map: texture_2d_array<u32>;
@group(#{MATERIAL_BIND_GROUP}) @binding(6) var preview: texture_2d<u32>;

const SELECTED = 1u;
const HOVERED = 2u;
const DIMMED = 4u;

const HAS_FRAME = 1u;
const HAS_PREVIEW = 2u;
const GRID = 4u;
const DAMAGED = 8u;
const WAITING = 16u;
const MINIMAP = 32u;
const NEAREST = 64u;

// The byte of a stack that holds the preview, and its slot.
const PREVIEW_BYTE = 3u;
const PREVIEW_SLOT = 255u;

const FAR = 1e6;

fn is_on(bit: u32) -> bool {
    return (params.switches.y & bit) != 0u;
}

// ---------------------------------------------------------------- the quad

@vertex
fn vertex(@location(0) position: vec3<f32>) -> @builtin(position) vec4<f32> {
    let share = vec2(position.x + 0.5, 0.5 - position.y);
    let pixel = mix(params.rect.xy, params.rect.zw, share);
    let clip = pixel / view.viewport.zw * vec2(2.0, -2.0) + vec2(-1.0, 1.0);
    // Depth runs backwards: the minimap is nearer.
    return vec4(clip, select(0.5, 0.75, is_on(MINIMAP)), 1.0);
}

// ---------------------------------------------------------------- the frame

fn texel_of(plane: texture_2d<f32>, at: vec2<i32>) -> vec4<f32> {
    return textureLoad(plane, clamp(at, vec2(0), vec2<i32>(textureDimensions(plane)) - 1), 0);
}

fn sampled(plane: texture_2d<f32>, texel: vec2<f32>) -> vec4<f32> {
    return textureSampleLevel(plane, plane_sampler, texel / vec2<f32>(textureDimensions(plane)), 0.0);
}

// A sample above 8 bits is two bytes; the weights make one value of them.
fn whole_value(plane: texture_2d<f32>, at: vec2<i32>) -> f32 {
    return dot(texel_of(plane, at).xy, params.sampling.xy);
}

#ifdef TWO_BYTE_SAMPLES
// Put together before they are mixed: a sampler's 8 bits of precision would spoil the high byte.
fn value(plane: texture_2d<f32>, texel: vec2<f32>) -> f32 {
    let corner = floor(texel - 0.5);
    let share = texel - 0.5 - corner;
    let at = vec2<i32>(corner);
    let top = mix(whole_value(plane, at), whole_value(plane, at + vec2(1, 0)), share.x);
    let bottom = mix(whole_value(plane, at + vec2(0, 1)), whole_value(plane, at + vec2(1, 1)), share.x);
    return mix(top, bottom, share.y);
}
#else
fn value(plane: texture_2d<f32>, texel: vec2<f32>) -> f32 {
    return sampled(plane, texel).x;
}
#endif

// Luma and chroma, or red, green and blue, mixed from the four samples around a place.
fn samples_at(texel: vec2<f32>) -> vec3<f32> {
    let chroma = texel * params.chroma.xy + params.chroma.zw;
#ifdef PLANES_RGB
    return sampled(plane_0, texel).rgb;
#else ifdef PLANES_LUMA
    return vec3(value(plane_0, texel), 0.0, 0.0);
#else ifdef PLANES_TWO
    return vec3(value(plane_0, texel), sampled(plane_1, chroma).xy);
#else
    return vec3(value(plane_0, texel), value(plane_1, chroma), value(plane_2, chroma));
#endif
}

fn frame_colour(texel: vec2<f32>) -> vec3<f32> {
    // In a frame pixel's middle nothing is mixed but the chroma that lies between pixels anyway.
    let middle = select(texel, floor(texel) + 0.5, is_on(NEAREST));
    let taps = vec2<u32>(params.sampling.zw);
    let step = params.texels_from_pixels.zw / params.sampling.zw;
    let first = middle - (params.sampling.zw - 1.0) * 0.5 * step;
    var samples = vec3(0.0);
    for (var y = 0u; y < taps.y; y++) {
        for (var x = 0u; x < taps.x; x++) {
            samples += samples_at(first + vec2(f32(x), f32(y)) * step);
        }
    }
    samples /= params.sampling.z * params.sampling.w;
    let extended = vec4(samples, 1.0);
    let rgb = vec3(
        dot(params.rgb_rows[0], extended), dot(params.rgb_rows[1], extended), dot(params.rgb_rows[2], extended)
    );
    return clamp(rgb, vec3(0.0), vec3(1.0));
}

// ---------------------------------------------------------------- who is where

// The objects at a place as one number: three levels of the label map from the lowest byte on, the topmost first, and
// the preview in the highest. Two places with equal numbers have the same objects.
fn stack_at(texel: vec2<f32>) -> u32 {
    let at = vec2<i32>(floor(texel));
    if any(at < vec2(0)) || any(at >= vec2<i32>(params.frame.xy)) {
        return 0u;
    }
    var stack = 0u;
    for (var level = 0u; level < params.switches.x; level++) {
        stack |= textureLoad(label_map, at, level, 0).x << (8u * level);
    }
    if is_on(HAS_PREVIEW) && textureLoad(preview, at, 0).x != 0u {
        stack |= PREVIEW_SLOT << (8u * PREVIEW_BYTE);
    }
    return stack;
}

fn slot_in(stack: u32, level: u32) -> u32 {
    return (stack >> (8u * level)) & 255u;
}

fn holds(stack: u32, slot: u32) -> bool {
    return slot_in(stack, 0u) == slot || slot_in(stack, 1u) == slot || slot_in(stack, 2u) == slot
        || slot_in(stack, 3u) == slot;
}

fn has(slot: u32, bit: u32) -> bool {
    return (u32(params.palette[slot].w) & bit) != 0u;
}

// ---------------------------------------------------------------- outlines

// Distances in pixels from here: to the end of each object that is here, and to the nearest selected one that is not.
struct Edges {
    own: vec4<f32>,
    halo: f32,
}

fn widened(edges: Edges, here: u32, there: u32, distance: f32) -> Edges {
    var result = edges;
    for (var level = 0u; level < 4u; level++) {
        let own = slot_in(here, level);
        if own != 0u && !holds(there, own) {
            result.own[level] = min(result.own[level], distance);
        }
        let other = slot_in(there, level);
        if other != 0u && has(other, SELECTED) && !holds(here, other) {
            result.halo = min(result.halo, distance);
        }
    }
    return result;
}

// Large texels: the distance to each of the eight neighbours is exact.
fn edges_between_squares(texel: vec2<f32>, here: u32) -> Edges {
    var edges = Edges(vec4(FAR), FAR);
    let within = fract(texel);
    for (var y = -1; y <= 1; y++) {
        for (var x = -1; x <= 1; x++) {
            let there = stack_at(texel + vec2(f32(x), f32(y)));
            if there != here {
                let away = vec2(
                    select(select(0.0, 1.0 - within.x, x > 0), within.x, x < 0),
                    select(select(0.0, 1.0 - within.y, y > 0), within.y, y < 0)
                );
                edges = widened(edges, here, there, length(away * params.frame.zw));
            }
        }
    }
    return edges;
}

// One of eight directions; the odd ones are diagonal.
fn direction(number: u32) -> vec2<f32> {
    let angle = f32(number) * 0.78539816;
    return vec2(cos(angle), sin(angle));
}

// Small texels: look about in a ring as wide as the wider outline, then in one as wide as the narrower.
fn edges_by_looking_about(texel: vec2<f32>, here: u32) -> Edges {
    var edges = Edges(vec4(FAR), FAR);
    for (var ring = 0u; ring < 2u; ring++) {
        let radius = select(max(params.lines.x, 1.0), max(params.lines.y, 1.0), ring == 0u);
        var is_quiet = true;
        for (var number = 0u; number < 8u; number++) {
            let there = stack_at(texel + direction(number) * radius * params.texels_from_pixels.zw);
            if there != here {
                is_quiet = false;
                // An edge seen only aslant is farther off: half covered, which smooths the stairs of slanting edges.
                let distance = radius - select(0.5, 0.0, (number & 1u) == 1u);
                edges = widened(edges, here, there, distance);
            }
        }
        if is_quiet {
            break;
        }
    }
    return edges;
}

fn coverage(distance: f32, width: f32) -> f32 {
    return clamp(width + 0.5 - distance, 0.0, 1.0) * clamp(width, 0.0, 1.0);
}

// ---------------------------------------------------------------- putting it together

// 1 on diagonal stripes that take `share` of every `period` pixels, at 45 degrees.
fn stripes(along: f32, period: f32, share: f32) -> f32 {
    let place = fract(along / period) * period;
    let width = share * period;
    return clamp(min(place, width - place) + 0.5, 0.0, 1.0);
}

fn filled(colour: vec3<f32>, stack: u32, pixel: vec2<f32>) -> vec3<f32> {
    var result = colour;
    let point = params.background.w;
    for (var below = 0u; below < 3u; below++) {
        let slot = slot_in(stack, 2u - below);
        if slot != 0u {
            var opacity = select(params.fills.x, params.fills.y, has(slot, SELECTED));
            if has(slot, HOVERED) {
                opacity += params.fills.z;
            }
            if has(slot, DIMMED) {
                let hatch = mix(0.5, 1.8, stripes(pixel.x - pixel.y, 8.0 * point, 0.35));
                opacity *= params.fills.w * select(hatch, 1.0, is_on(MINIMAP));
            }
            result = mix(result, params.palette[slot].rgb, clamp(opacity, 0.0, 1.0));
        }
    }
    if slot_in(stack, PREVIEW_BYTE) != 0u {
        result = mix(result, brighter(params.palette[PREVIEW_SLOT].rgb), params.fills.y);
    }
    return result;
}

fn brighter(colour: vec3<f32>) -> vec3<f32> {
    return mix(colour, vec3(1.0), 0.35);
}

fn outlined(colour: vec3<f32>, stack: u32, edges: Edges, pixel: vec2<f32>) -> vec3<f32> {
    var result = colour;
    let opacity = params.lines.w;
    // Others from the lowest up, then the selected one, which may lie under them.
    for (var round = 0u; round < 2u; round++) {
        if round == 1u {
            result = mix(result, vec3(0.0), 0.65 * opacity * coverage(edges.halo, params.lines.z));
        }
        for (var below = 0u; below < 3u; below++) {
            let level = 2u - below;
            let slot = slot_in(stack, level);
            if slot != 0u && has(slot, SELECTED) == (round == 1u) {
                let width = select(params.lines.x, params.lines.y, round == 1u);
                let under_others = select(1.0, 0.75, level > 0u && round == 0u);
                let strength = opacity * under_others * select(1.0, 0.5, has(slot, DIMMED));
                let own = params.palette[slot].rgb;
                let line = select(own, brighter(own), has(slot, HOVERED));
                result = mix(result, line, strength * coverage(edges.own[level], width));
            }
        }
    }
    if slot_in(stack, PREVIEW_BYTE) != 0u {
        let dash = stripes(pixel.x + pixel.y, 10.0 * params.background.w, 0.6);
        let line = mix(vec3(0.1), mix(params.palette[PREVIEW_SLOT].rgb, vec3(1.0), 0.7), dash);
        result = mix(result, line, coverage(edges.own[PREVIEW_BYTE], params.lines.y));
    }
    return result;
}

// Thin lines at the left and top edge of every texel, dark on light and light on dark, that come in between 8 and 16.
fn gridded(colour: vec3<f32>, texel: vec2<f32>) -> vec3<f32> {
    let size = min(params.frame.z, params.frame.w);
    let strength = clamp((size - 8.0) / 8.0, 0.0, 1.0) * 0.12 + select(0.0, 0.08, size >= 8.0);
    let from_edge = fract(texel) * params.frame.zw;
    let is_line = any(from_edge < vec2(1.0));
    let contrast = select(vec3(1.0), vec3(0.0), dot(colour, vec3(0.299, 0.587, 0.114)) > 0.5);
    return mix(colour, contrast, select(0.0, strength, is_line));
}

fn with_overlay(frame: vec3<f32>, texel: vec2<f32>, pixel: vec2<f32>) -> vec3<f32> {
    if params.switches.x == 0u && !is_on(HAS_PREVIEW) {
        return frame;
    }
    let here = stack_at(texel);
    let colour = filled(frame, here, pixel);
    if params.lines.y <= 0.0 && params.lines.x <= 0.0 {
        return colour;
    }
    let widest = max(max(params.lines.x, params.lines.y), params.lines.z);
    if min(params.frame.z, params.frame.w) >= widest {
        return outlined(colour, here, edges_between_squares(texel, here), pixel);
    }
    return outlined(colour, here, edges_by_looking_about(texel, here), pixel);
}

fn picture(texel: vec2<f32>, pixel: vec2<f32>) -> vec3<f32> {
    var colour = frame_colour(texel);
    if is_on(WAITING) {
        colour *= 0.8;
    }
    if is_on(DAMAGED) {
        let stripe = stripes(pixel.x + pixel.y, 16.0 * params.background.w, 0.3);
        colour = mix(colour * 0.85, vec3(0.95, 0.65, 0.15), 0.35 * stripe);
    }
    if is_on(GRID) {
        colour = gridded(colour, texel);
    }
    return with_overlay(colour, texel, pixel);
}

// The target encodes to sRGB; undoing that here lets the codes arrive as they are.
fn stored(colour: vec3<f32>) -> vec3<f32> {
#ifdef SRGB_OUTPUT
    return colour;
#else
    let low = colour / 12.92;
    let high = pow((colour + 0.055) / 1.055, vec3(2.4));
    return select(high, low, colour <= vec3(0.04045));
#endif
}

@fragment
fn fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let pixel = position.xy;
    let texel = params.texels_from_pixels.xy + (pixel - params.rect.xy) * params.texels_from_pixels.zw;
    var colour = params.background.rgb;
    if is_on(HAS_FRAME) && all(texel >= vec2(0.0)) && all(texel < params.frame.xy) {
        colour = picture(texel, pixel);
    }
    return vec4(stored(colour), 1.0);
}
