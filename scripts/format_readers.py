"""Reads exports with other programs' readers and compares every mask with the truth. Run by test_formats.py.

Usage: format_readers.py FOLDER, with a python that has the readers; those it lacks are left to the other python. The
last line printed is a JSON list of results. Also writes datasets with other programs into FOLDER/foreign, for our import.
"""
import base64
import contextlib
import importlib.util
import io
import json
import os
import pathlib
import sys
import traceback
import urllib.parse
import warnings

import numpy as np

os.environ["DATUM_TELEMETRY"] = "off"
warnings.simplefilter("ignore")
FRAMES = 7


class Truth:
    """What went into the exports."""

    def __init__(self, out, name="clips"):
        self.clips = json.loads((out / f"{name}.truth.json").read_text())
        self.folder = out / f"{name}.truth"
        self.names = json.loads((out / ("davis" if name == "clips" else f"{name}-davis") / "labelhub.json").read_text())

    def sequence(self, clip):
        """A clip's name in the files."""
        return self.names["clips"][clip]["name_in_files"]

    def object_name(self, clip, number):
        return self.names["clips"][clip]["objects"][number - 1]["name_in_files"]

    def path(self, clip, frame, number):
        return self.folder / f"{clip}_{frame}_{self.clips[clip]['objects'][number - 1]['id']}.npy"

    def has_mask(self, clip, frame, number):
        """Whether anything is known of an object on a frame, be it that it is not there."""
        return self.path(clip, frame, number).exists()

    def mask(self, clip, frame, number):
        """[height, width] of 0 and 1."""
        facts, path = self.clips[clip], self.path(clip, frame, number)
        return np.load(path) if path.exists() else np.zeros((facts["height"], facts["width"]), np.uint8)

    def label_map(self, clip, frame):
        """Object numbers; where objects overlap the lowest has the pixel."""
        facts = self.clips[clip]
        labels = np.zeros((facts["height"], facts["width"]), np.uint16)
        for entry in reversed(facts["objects"]):
            labels[self.mask(clip, frame, entry["number"]) != 0] = entry["number"]
        return labels

    def each(self):
        """Clip, frame, object of everything."""
        for c, clip in enumerate(self.clips):
            for frame in range(clip["frames"]):
                for entry in clip["objects"]:
                    yield c, frame, entry

    def by_stem(self):
        """Clip and frame by the file name of formats that put all clips side by side."""
        return {f"{self.sequence(c)}_{frame:05}": (c, frame)
                for c, clip in enumerate(self.clips) for frame in range(clip["frames"])}


class Comparison:
    """Collects masks that a reader gave."""

    def __init__(self, truth, flat=False):
        self.truth, self.flat = truth, flat
        self.found, self.worst, self.sum = {}, 1.0, 0.0
        self.wrong = []

    def add(self, clip, frame, number, mask):
        key = (clip, frame, number)
        if key in self.found:
            self.wrong.append(f"{key} came twice")
        self.found[key] = np.asarray(mask) != 0

    def finish(self, declared=None):
        """Verdict, frames, masks, worst IoU. `declared` is what the export said of a format that changes masks."""
        exact = declared is None
        masks, frames = 0, set()
        for c, frame, entry in self.truth.each():
            key = (c, frame, entry["number"])
            wanted = self.truth.mask(*key) != 0
            if self.flat:
                wanted = self.truth.label_map(c, frame) == entry["number"]
            found = self.found.pop(key, np.zeros_like(wanted))
            frames.add((c, frame))
            if found.shape != wanted.shape:
                self.wrong.append(f"{key} is {found.shape}, not {wanted.shape}")
                continue
            union = (found | wanted).sum()
            iou = 1.0 if union == 0 else float((found & wanted).sum() / union)
            self.worst = min(self.worst, iou)
            masks += int(wanted.any())
            self.sum += iou if wanted.any() else 0.0
            if exact and iou < 1.0:
                self.wrong.append(f"{key}: IoU {iou:.4f}")
        self.wrong += [f"{key} was never there" for key, mask in self.found.items() if mask.any()]
        if not exact:
            measured = (self.worst, self.sum / masks)
            if max(abs(a - b) for a, b in zip(measured, (declared["min_iou"], declared["mean_iou"]))) > 1e-6:
                self.wrong.append(f"IoU {measured}, declared {declared}")
        right = "exact" if exact else "ok, as declared"
        verdict = f"WRONG: {len(self.wrong)}, first {self.wrong[0]}" if self.wrong else right
        return {"frames": len(frames), "masks": masks, "worst_iou": self.worst, "verdict": verdict}


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def npy(out, truth):
    compare = Comparison(truth)
    for c, frame, entry in truth.each():
        path = out / "npy" / truth.sequence(c) / f"{frame}_{entry['id']}.npy"
        if not truth.has_mask(c, frame, entry["number"]):
            check(not path.exists(), f"{path} is of a frame on which nobody has looked for the object")
            continue
        array = np.load(path, mmap_mode="r")
        check(array.dtype == np.uint8 and array.max() <= 1, f"{array.dtype}, up to {array.max()}")
        compare.add(c, frame, entry["number"], array)
    return compare.finish()


def npy_stack(out, truth):
    compare = Comparison(truth)
    for c, clip in enumerate(truth.clips):
        folder = out / "npy-stack" / truth.sequence(c)
        numbers = np.load(folder / "frames.npy")
        check(numbers.dtype == np.int64 and list(numbers) == list(range(clip["frames"])), "frames.npy")
        for entry in clip["objects"]:
            stack = np.load(folder / "masks" / f"{truth.object_name(c, entry['number'])}.npy", mmap_mode="r")
            check(stack.dtype == np.uint8 and stack.shape == (clip["frames"], clip["height"], clip["width"]), "shape")
            for frame in numbers:
                compare.add(c, int(frame), entry["number"], stack[frame])
    return compare.finish()


def voc_palette():
    palette = np.zeros((256, 3), np.uint8)
    for index in range(256):
        for bit in range(8):
            for channel in range(3):
                palette[index, channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit) if 3 * bit + channel < 8 else 0
    return palette.flatten().tolist()


def palette_pngs(compare, truth, folder_of):
    from PIL import Image
    for c, clip in enumerate(truth.clips):
        files = sorted(folder_of(c).glob("*.png"))
        check(len(files) == clip["frames"], f"{len(files)} PNGs for {clip['frames']} frames")
        for frame, file in enumerate(files):
            image = Image.open(file)
            check(image.mode == "P" and image.getpalette() == voc_palette(), f"{file}: mode {image.mode} or palette")
            head = file.read_bytes()[:29]
            check(head[24:26] == bytes([8, 3]), f"{file}: depth and colour type {head[24:26]!r}")
            values = np.array(image)
            for number in np.unique(values[values > 0]):
                compare.add(c, frame, int(number), values == number)


def davis(out, truth):
    compare = Comparison(truth, flat=True)
    palette_pngs(compare, truth, lambda c: out / "davis/Annotations/480p" / truth.sequence(c))
    listed = (out / "davis/ImageSets/2017/train.txt").read_text().splitlines()
    check(listed == [truth.sequence(c) for c in range(len(truth.clips))], listed)
    for c, clip in enumerate(truth.clips):
        pictures = list((out / "davis/JPEGImages/480p" / truth.sequence(c)).glob("*.jpg"))
        check(len(pictures) == clip["frames"], f"{len(pictures)} pictures")
    return compare.finish()


def davis_many(out, _truth):
    many = Truth(out, "many")
    compare = Comparison(many, flat=True)
    palette_pngs(compare, many, lambda c: out / "many-davis/Annotations/480p" / many.sequence(c))
    return compare.finish()


def ytvos(out, truth):
    compare = Comparison(truth, flat=True)
    palette_pngs(compare, truth, lambda c: out / "ytvos/train/Annotations" / truth.sequence(c))
    meta = json.loads((out / "ytvos/train/meta.json").read_text())["videos"]
    for c, clip in enumerate(truth.clips):
        wanted = {}
        for frame in range(clip["frames"]):
            for number in np.unique(truth.label_map(c, frame)):
                if number:
                    wanted.setdefault(str(number), []).append(f"{frame:05}")
        objects = meta[truth.sequence(c)]["objects"]
        check({number: entry["frames"] for number, entry in objects.items()} == wanted, f"{clip['name']}: frames")
        for number, entry in objects.items():
            check(entry["category"] == clip["objects"][int(number) - 1]["class"], f"{clip['name']}: category")
    return compare.finish()


def png(out, truth):
    from PIL import Image
    compare = Comparison(truth)
    for c, frame, entry in truth.each():
        name = f"{truth.object_name(c, entry['number'])}/{frame:05}.png"
        values = np.array(Image.open(out / "png/masks" / truth.sequence(c) / name))
        check(set(np.unique(values)) <= {0, 255}, "values")
        compare.add(c, frame, entry["number"], values)
    return compare.finish()


def by_track(truth):
    return {entry["track"]: (c, entry["number"]) for c, clip in enumerate(truth.clips) for entry in clip["objects"]}


def coco_pycocotools(out, truth):
    from pycocotools import mask as coco_mask
    from pycocotools.coco import COCO
    compare, tracks, stems = Comparison(truth), by_track(truth), truth.by_stem()
    coco = COCO(out / "coco/annotations/instances_train.json")
    classes = {category["id"]: category["name"] for category in coco.dataset["categories"]}
    for annotation in coco.anns.values():
        image = coco.imgs[annotation["image_id"]]
        c, frame = stems[pathlib.Path(image["file_name"]).stem]
        check(image["frame_index"] == frame, "frame_index")
        check((out / "coco/images/train" / image["file_name"]).exists(), image["file_name"])
        clip, number = tracks[annotation["track_id"]]
        entry = truth.clips[c]["objects"][number - 1]
        check(clip == c and classes[annotation["category_id"]] == entry["class"], "class or clip")
        mask = coco.annToMask(annotation)
        check(annotation["area"] == mask.sum() == coco_mask.area(coco.annToRLE(annotation)), "area")
        check(list(coco_mask.toBbox(coco.annToRLE(annotation))) == annotation["bbox"], "bbox")
        compare.add(c, frame, number, mask)
    return compare.finish()


def in_order_of_numbers(truth, clip, frame):
    """The objects of a frame that have a mask, in the order they are written."""
    return [entry["number"] for entry in truth.clips[clip]["objects"] if truth.mask(clip, frame, entry["number"]).any()]


def supervision_dataset(truth, dataset, compare):
    stems = truth.by_stem()
    for path, _, annotations in dataset:
        c, frame = stems[pathlib.Path(path).stem]
        numbers = in_order_of_numbers(truth, c, frame)
        check(len(annotations) == len(numbers), f"{path}: {len(annotations)} masks, not {len(numbers)}")
        for number, mask, class_id in zip(numbers, annotations.mask if len(numbers) else [], annotations.class_id):
            check(dataset.classes[class_id] == truth.clips[c]["objects"][number - 1]["class"], "class")
            compare.add(c, frame, number, mask)


def coco_supervision(out, truth):
    import supervision
    compare = Comparison(truth)
    dataset = supervision.DetectionDataset.from_coco(
        str(out / "coco/images/train"), str(out / "coco/annotations/instances_train.json"), force_masks=True)
    supervision_dataset(truth, dataset, compare)
    return compare.finish()


def yolo_supervision(out, truth):
    import supervision
    compare = Comparison(truth)
    dataset = supervision.DetectionDataset.from_yolo(
        str(out / "yolo/images/train"), str(out / "yolo/labels/train"), str(out / "yolo/data.yaml"), force_masks=True)
    supervision_dataset(truth, dataset, compare)
    return compare.finish(declared=json.loads((out / "yolo.report.json").read_text()))


def datumaro_masks(out, truth, folder, name):
    import datumaro
    compare, tracks = Comparison(truth), by_track(truth)
    stems, sequences = truth.by_stem(), {truth.sequence(c): c for c in range(len(truth.clips))}
    dataset = datumaro.Dataset.import_from(str(out / folder), name)
    labels = [label.name for label in dataset.categories()[datumaro.AnnotationType.label].items]
    for item in dataset:
        stem = pathlib.PurePath(item.id).name
        c, frame = stems[stem] if stem in stems else (sequences[item.subset], int(stem))
        for annotation in item.annotations:
            if annotation.type != datumaro.AnnotationType.mask:
                continue
            track = int(annotation.attributes["track_id"])
            if name == "mots":
                number = track % 1000 if track >= 1000 else track
            else:
                clip, number = tracks[track]
                check(clip == c, "clip")
            check(labels[annotation.label] == truth.clips[c]["objects"][number - 1]["class"],
                  f"class {labels[annotation.label]}")
            compare.add(c, frame, number, annotation.image)
    return compare


def coco_datumaro(out, truth):
    return datumaro_masks(out, truth, "coco", "coco_instances").finish()


def datumaro_datumaro(out, truth):
    return datumaro_masks(out, truth, "datumaro", "datumaro").finish()


def cvat_images_datumaro(out, truth):
    return datumaro_masks(out, truth, "cvat-images", "cvat").finish()


def mots_datumaro(out, truth):
    compare = datumaro_masks(out, truth, "mots", "mots")
    compare.flat = True
    return compare.finish()


def mots_txt(out, truth):
    from pycocotools import mask as coco_mask
    compare = Comparison(truth, flat=True)
    for c, clip in enumerate(truth.clips):
        for line in (out / "mots/instances_txt" / f"{truth.sequence(c)}.txt").read_text().splitlines():
            frame, track, class_id, height, width, rle = line.split(" ")
            check(int(track) // 1000 == int(class_id), "class")
            mask = coco_mask.decode({"size": [int(height), int(width)], "counts": rle})
            compare.add(c, int(frame), int(track) % 1000, mask)
    return compare.finish()


def ytvis(out, truth):
    from pycocotools import mask as coco_mask
    compare, tracks = Comparison(truth), by_track(truth)
    data = json.loads((out / "ytvis/annotations/train.json").read_text())
    videos = {video["id"]: video for video in data["videos"]}
    for annotation in data["annotations"]:
        video = videos[annotation["video_id"]]
        c, number = tracks[annotation["id"]]
        check(len(annotation["segmentations"]) == len(annotation["bboxes"]) == video["length"], "length")
        check(video["file_names"][0] == f"{truth.sequence(c)}/00000.jpg", video["file_names"][0])
        for frame, rle in enumerate(annotation["segmentations"]):
            if rle is None:
                check(annotation["areas"][frame] is None and annotation["bboxes"][frame] is None, "null")
                continue
            mask = coco_mask.decode(rle)
            check(annotation["areas"][frame] == mask.sum(), "area")
            check(list(coco_mask.toBbox(rle)) == annotation["bboxes"][frame], "bbox")
            compare.add(c, frame, number, mask)
    return compare.finish()


def sav_json(out, truth):
    from pycocotools import mask as coco_mask
    compare = Comparison(truth)
    for c, clip in enumerate(truth.clips):
        name = truth.sequence(c)
        data = json.loads((out / "sav" / name / f"{name}_manual.json").read_text())
        check(24 % data["fps"] == 0 and 24 // data["fps"] == 1, "fps")
        check(len(data["masklet"]) == clip["frames"] and data["masklet_num"] == len(clip["objects"]), "length")
        for frame, row in enumerate(data["masklet"]):
            for number, mask in enumerate(np.moveaxis(coco_mask.decode(row), -1, 0), 1):
                compare.add(c, frame, number, mask)
    return compare.finish()


def sav_png(out, truth):
    from PIL import Image
    compare = Comparison(truth)
    for c, frame, entry in truth.each():
        path = out / "sav/Annotations_6fps" / truth.sequence(c) / f"{entry['number'] - 1:03}" / f"{frame:05}.png"
        compare.add(c, frame, entry["number"], np.array(Image.open(path).convert("P")) > 0)
    return compare.finish()


def labelstudio(out, truth):
    from label_studio_sdk.converter.brush import decode_rle, encode_rle
    compare, tracks, stems = Comparison(truth), by_track(truth), truth.by_stem()
    for task in json.loads((out / "labelstudio/tasks.json").read_text()):
        c, frame = stems[pathlib.Path(urllib.parse.unquote(task["data"]["image"])).stem]
        for result in task["annotations"][0]["result"]:
            clip, number = tracks[result["meta"]["track_id"]]
            entry = truth.clips[c]["objects"][number - 1]
            check(clip == c and result["value"]["brushlabels"] == [entry["class"]], "class or clip")
            height, width = result["original_height"], result["original_width"]
            pixels = np.reshape(decode_rle(result["value"]["rle"]), [height, width, 4])
            check((pixels == pixels[:, :, 3:]).all(), "four values a pixel")
            compare.add(c, frame, number, pixels[:, :, 3])
    return compare.finish()


def labelstudio_converter(out, truth):
    """Label Studio's own export of the tasks, to NumPy: task-T-annotation-A-by-WHO-tag-CLASS-N.npy."""
    from label_studio_sdk.converter import Converter
    compare, target = Comparison(truth), out / "labelstudio-converted"
    target.mkdir(exist_ok=True)
    converter = Converter(str(out / "labelstudio/label_config.xml"), None)
    converter.convert(str(out / "labelstudio/tasks.json"), str(target), "BRUSH_TO_NUMPY", is_dir=False)
    frames = list(truth.by_stem().values())
    for task, (c, frame) in enumerate(frames, 1):
        counts = {}
        for number in in_order_of_numbers(truth, c, frame):
            label = truth.clips[c]["objects"][number - 1]["class"]
            counts[label] = counts.get(label, -1) + 1
            found = [path for path in target.glob(f"task-{task}-annotation-*.npy")
                     if path.name.endswith(f"-tag-{label}-{counts[label]}.npy")]
            check(len(found) == 1, f"task {task}, {label}: {found}")
            compare.add(c, frame, number, np.load(found[0]))
    return compare.finish()


def labelme(out, truth):
    from PIL import Image
    compare, tracks, stems = Comparison(truth), by_track(truth), truth.by_stem()
    for stem, (c, frame) in stems.items():
        data = json.loads((out / "labelme" / f"{stem}.json").read_text())
        image = Image.open(out / "labelme" / data["imagePath"])
        check((data["imageWidth"], data["imageHeight"]) == image.size, "size")
        for shape in data["shapes"]:
            clip, number = tracks[shape["group_id"]]
            check(clip == c and shape["label"] == truth.clips[c]["objects"][number - 1]["class"], "class or clip")
            (x0, y0), (x1, y1) = shape["points"]
            crop = np.array(Image.open(io.BytesIO(base64.b64decode(shape["mask"])))).astype(bool)
            mask = np.zeros((data["imageHeight"], data["imageWidth"]), bool)
            # As labelme puts a mask back: both corners included.
            mask[y0:y1 + 1, x0:x1 + 1] = crop
            compare.add(c, frame, number, mask)
    return compare.finish()


def overlay(out, truth):
    import cv2
    frames = 0
    for c, clip in enumerate(truth.clips):
        video = cv2.VideoCapture(str(out / "overlay" / f"{truth.sequence(c)}.mp4"))
        count = 0
        while True:
            is_read, image = video.read()
            if not is_read:
                break
            count += 1
            even = (clip["height"] + clip["height"] % 2, clip["width"] + clip["width"] % 2)
            check(image.shape[:2] == even, f"{clip['name']}: {image.shape}")
        check(count == clip["frames"], f"{clip['name']}: {count} frames, not {clip['frames']}")
        frames += count
    return {"frames": frames, "masks": 0, "worst_iou": None, "verdict": "ok"}


def cvat_decode(tag):
    from cvat_sdk.masks import decode_mask
    left, top = int(tag.get("left")), int(tag.get("top"))
    right, bottom = left + int(tag.get("width")) - 1, top + int(tag.get("height")) - 1
    return [int(run) for run in tag.get("rle").split(",")] + [left, top, right, bottom], decode_mask


def cvat_images_sdk(out, truth):
    import xml.etree.ElementTree
    from cvat_sdk.masks import encode_mask
    compare, tracks, stems = Comparison(truth), by_track(truth), truth.by_stem()
    for image in xml.etree.ElementTree.parse(out / "cvat-images/annotations.xml").getroot().iter("image"):
        c, frame = stems[pathlib.Path(image.get("name")).stem]
        check((out / "cvat-images/images" / image.get("name")).exists(), image.get("name"))
        width, height = int(image.get("width")), int(image.get("height"))
        for tag in image.iter("mask"):
            attributes = {attribute.get("name"): attribute.text for attribute in tag.iter("attribute")}
            clip, number = tracks[int(attributes["track_id"])]
            check(clip == c and tag.get("label") == truth.clips[c]["objects"][number - 1]["class"], "class or clip")
            points, decode_mask = cvat_decode(tag)
            mask = decode_mask(points, image_width=width, image_height=height)
            check([int(value) for value in encode_mask(mask.astype(bool))] == points, "the SDK writes other runs")
            compare.add(c, frame, number, mask)
    return compare.finish()


def cvat_images_on_video(out, truth):
    """As CVAT's server takes every third frame of a clip for a task of that video: by id, names are no frames there."""
    import xml.etree.ElementTree
    c = next(c for c, clip in enumerate(truth.clips) if clip["name"] == "shapes")
    frames, masks = [], 0
    for image in xml.etree.ElementTree.parse(out / "part-cvat-images/annotations.xml").getroot().iter("image"):
        frames.append(int(image.get("id")))
        for tag in image.iter("mask"):
            number = int(next(a.text for a in tag.iter("attribute") if a.get("name") == "track_id"))
            points, decode_mask = cvat_decode(tag)
            mask = decode_mask(points, image_width=int(image.get("width")), image_height=int(image.get("height")))
            check((mask == truth.mask(c, frames[-1], number)).all(), f"frame {frames[-1]}, object {number}")
            masks += 1
    check(frames == list(range(0, truth.clips[c]["frames"], 3)), f"frames {frames}")
    return {"frames": len(frames), "masks": masks, "worst_iou": 1.0, "verdict": "exact"}


def cvat_video_sdk(out, truth):
    """As CVAT's server loads tracks: key frames only, a shape stays until the next one or until it is outside."""
    import xml.etree.ElementTree
    compare = Comparison(truth)
    for c, clip in enumerate(truth.clips):
        root = xml.etree.ElementTree.parse(out / "cvat-video" / truth.sequence(c) / "annotations.xml").getroot()
        for track in root.iter("track"):
            number = int(track.get("id")) + 1
            check(track.get("label") == clip["objects"][number - 1]["class"], "class")
            shapes = {}
            for tag in track.iter("mask"):
                check(tag.get("keyframe") == "1", "keyframe")
                points, decode_mask = cvat_decode(tag)
                mask = decode_mask(points, image_width=clip["width"], image_height=clip["height"])
                shapes[int(tag.get("frame"))] = None if tag.get("outside") == "1" else mask
            shown = None
            for frame in range(clip["frames"]):
                shown = shapes.get(frame, shown)
                if shown is not None:
                    compare.add(c, frame, number, shown)
    return compare.finish()


# Datasets that the other programs write, for our import.


class Foreign:
    """Writes what our import must find: list of cases, each with its masks as .npy."""

    def __init__(self, out, truth):
        self.out, self.truth = out / "foreign", truth
        self.clip = next(c for c, clip in enumerate(truth.clips) if clip["name"] == "shapes")
        self.facts = truth.clips[self.clip]
        self.cases = []

    def frames(self):
        for frame in range(self.facts["frames"]):
            yield frame, [(entry, self.truth.mask(self.clip, frame, entry["number"])) for entry in self.facts["objects"]
                          if self.truth.mask(self.clip, frame, entry["number"]).any()]

    def case(self, name, format_name, path, masks, min_iou=1.0):
        """`masks` is a list of frame, class (or None), mask."""
        folder = self.out / f"{name}.masks"
        folder.mkdir(parents=True)
        entries = []
        for i, (frame, class_name, mask) in enumerate(masks):
            np.save(folder / f"{i}.npy", np.asarray(mask, np.uint8))
            entries.append({"frame": frame, "class": class_name, "file": f"{name}.masks/{i}.npy"})
        self.cases.append({"name": name, "format": format_name, "path": str(path.relative_to(self.out)),
                           "min_iou": min_iou, "masks": entries})

    def folder(self, name):
        folder = self.out / name
        folder.mkdir(parents=True)
        return folder

    def truth_masks(self, with_class=True):
        return [(frame, entry["class"] if with_class else None, mask)
                for frame, masks in self.frames() for entry, mask in masks]

    def flat_masks(self, with_class):
        found = []
        for frame in range(self.facts["frames"]):
            labels = self.truth.label_map(self.clip, frame)
            found += [(frame, entry["class"] if with_class else None, labels == entry["number"])
                      for entry in self.facts["objects"] if (labels == entry["number"]).any()]
        return found


def write_foreign(out, truth):
    foreign = Foreign(out, truth)
    for write in (foreign_datumaro, foreign_coco, foreign_labelstudio, foreign_pngs, foreign_yolo, foreign_numpy):
        write(foreign)
    size = {"width": foreign.facts["width"], "height": foreign.facts["height"], "frames": foreign.facts["frames"]}
    (foreign.out / "cases.json").write_text(json.dumps({**size, "cases": foreign.cases}))


def foreign_datumaro(foreign):
    import datumaro
    classes = [entry["class"] for entry in foreign.facts["objects"]]
    picture = np.zeros((foreign.facts["height"], foreign.facts["width"], 3), np.uint8)

    def items(flat):
        for frame in range(foreign.facts["frames"]):
            masks = [(e, foreign.truth.mask(foreign.clip, frame, e["number"])) for e in foreign.facts["objects"]]
            if flat:
                labels = foreign.truth.label_map(foreign.clip, frame)
                masks = [(e, labels == e["number"]) for e, _ in masks]
            yield datumaro.DatasetItem(
                id=f"{frame:06}", subset="train", media=datumaro.Image.from_numpy(data=picture),
                annotations=[
                    datumaro.Mask(mask.astype(bool), label=i, id=2 * frame + i + 1, group=2 * frame + i + 1,
                                  attributes={"track_id": e["number"], "is_crowd": True})
                    for i, (e, mask) in enumerate(masks) if mask.any()
                ])

    for name, ours, path in [
        ("datumaro", "datumaro", "annotations"), ("coco_instances", "coco", "annotations"),
        ("mots_png", "mots", "train"), ("cvat", "cvat-images", "train.xml"),
    ]:
        flat = name == "mots_png"
        folder = foreign.out / f"from-datumaro-{name}"
        datumaro.Dataset.from_iterable(list(items(flat)), categories=classes).export(
            str(folder), name, save_media=False)
        masks = foreign.flat_masks(True) if flat else foreign.truth_masks()
        foreign.case(folder.name, ours, folder / path, masks)


def foreign_coco(foreign):
    import cv2
    from pycocotools import mask as coco_mask
    height, width = foreign.facts["height"], foreign.facts["width"]
    images = [{"id": 10 + frame, "file_name": f"frames/{frame:04}.jpg", "width": width, "height": height}
              for frame in range(foreign.facts["frames"])]
    classes = sorted({entry["class"] for entry in foreign.facts["objects"]})
    rng = np.random.default_rng(1)

    def random_polygon():
        corners = rng.uniform([-5, -5], [width + 5, height + 5], (rng.integers(3, 9), 2))
        return [round(value, 2) for value in corners.flatten().tolist()]

    variants = {
        "polygons": lambda mask: [contour.flatten().tolist() for contour in cv2.findContours(
            mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0] if len(contour) > 3],
        "random-polygons": lambda mask: [random_polygon()],
        "numbers": lambda mask: {"size": [height, width], "counts": runs_down_columns(mask)},
        "string": lambda mask: text_counts(coco_mask.encode(np.asfortranarray(mask))),
    }
    for name, segmentation_of in variants.items():
        annotations, masks = [], []
        for frame, found in foreign.frames():
            for entry, mask in found:
                segmentation = segmentation_of(mask)
                rle = coco_mask.frPyObjects(segmentation, height, width) if name != "string" else segmentation
                if isinstance(rle, list):
                    rle = coco_mask.merge(rle)
                annotations.append({"id": len(annotations) + 1, "image_id": 10 + frame, "iscrowd": 0,
                                    "category_id": classes.index(entry["class"]), "segmentation": segmentation})
                masks.append((frame, entry["class"], coco_mask.decode(rle)))
        path = foreign.folder(f"coco-{name}") / "labels.json"
        categories = [{"id": i, "name": class_name} for i, class_name in enumerate(classes)]
        path.write_text(json.dumps({"annotations": annotations, "categories": categories, "images": images}))
        # pycocotools draws the edge of a polygon its own way.
        foreign.case(path.parent.name, "coco", path, masks, 0.97 if "polygons" in name else 1.0)


def runs_down_columns(mask):
    runs, current, length = [], 0, 0
    for value in mask.flatten(order="F").tolist():
        if value != current:
            runs.append(length)
            current, length = value, 0
        length += 1
    return runs + [length]


def text_counts(rle):
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def foreign_labelstudio(foreign):
    from label_studio_sdk.converter.brush import mask2rle
    tasks = []
    for frame, masks in foreign.frames():
        results = [{
            "id": f"r{entry['number']}", "type": "brushlabels", "from_name": "tag", "to_name": "image",
            "original_width": foreign.facts["width"], "original_height": foreign.facts["height"], "image_rotation": 0,
            "value": {"format": "rle", "rle": [int(v) for v in mask2rle(mask * 255)], "brushlabels": [entry["class"]]},
        } for entry, mask in masks]
        tasks.append({"id": 100 + frame, "data": {"image": f"/data/upload/1/{frame:04}.png"},
                      "annotations": [{"id": 7, "result": results}]})
    path = foreign.folder("labelstudio") / "project-1-at-2026.json"
    path.write_text(json.dumps(tasks))
    foreign.case("labelstudio", "labelstudio", path, foreign.truth_masks())


def foreign_pngs(foreign):
    from PIL import Image
    for name, mode in [("palette", "P"), ("grey", "L")]:
        folder = foreign.folder(f"davis-{name}/Annotations/480p/other_name")
        for frame in range(foreign.facts["frames"]):
            image = Image.fromarray(foreign.truth.label_map(foreign.clip, frame).astype(np.uint8))
            if mode == "P":
                image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
            image.save(folder / f"{frame:05}.png")
        foreign.case(f"davis-{name}", "davis", foreign.out / f"davis-{name}", foreign.flat_masks(False))
    folder = foreign.folder("sav/Annotations_6fps/sav_000001")
    for frame, masks in foreign.frames():
        for entry, mask in masks:
            (folder / f"{entry['number'] - 1:03}").mkdir(exist_ok=True)
            Image.fromarray(mask.astype(bool)).save(folder / f"{entry['number'] - 1:03}" / f"{frame:05}.png")
    foreign.case("sav", "sav", foreign.out / "sav", foreign.truth_masks(False))


def foreign_yolo(foreign):
    import supervision
    from PIL import Image
    folder = foreign.folder("yolo")
    (folder / "images").mkdir()
    classes = sorted({entry["class"] for entry in foreign.facts["objects"]})
    annotations, paths = {}, []
    for frame, masks in foreign.frames():
        path = str(folder / "images" / f"{frame:05}.png")
        Image.new("RGB", (foreign.facts["width"], foreign.facts["height"])).save(path)
        paths.append(path)
        stack = np.array([mask.astype(bool) for _, mask in masks])
        annotations[path] = supervision.Detections(
            xyxy=supervision.mask_to_xyxy(stack), mask=stack,
            class_id=np.array([classes.index(entry["class"]) for entry, _ in masks]))
    supervision.DetectionDataset(classes, paths, annotations).as_yolo(
        annotations_directory_path=str(folder / "labels"), data_yaml_path=str(folder / "data.yaml"))
    foreign.case("yolo", "yolo", folder, foreign.truth_masks(), 0.98)


def foreign_numpy(foreign):
    folder = foreign.folder("npy")
    stack = foreign.folder("npy-stack")
    shape = (foreign.facts["frames"], foreign.facts["height"], foreign.facts["width"])
    stacks = {entry["number"]: np.zeros(shape, np.int32) for entry in foreign.facts["objects"]}
    for frame, masks in foreign.frames():
        for entry, mask in masks:
            np.save(folder / f"{frame}_{entry['id']}.npy", mask.astype(bool))
            stacks[entry["number"]][frame] = mask
    for number, layers in stacks.items():
        np.save(stack / f"object {number}.npy", layers)
    foreign.case("npy", "npy", folder, foreign.truth_masks(False))
    foreign.case("npy-stack", "npy-stack", stack, foreign.truth_masks(False))


READERS = [
    ("npy", "numpy.load, mmap", "PIL", npy),
    ("npy-stack", "numpy.load, mmap", "PIL", npy_stack),
    ("davis", "PIL, as davis2017 and sam2", "PIL", davis),
    ("davis", "PIL, 254 objects", "PIL", davis_many),
    ("ytvos", "PIL and meta.json, as Cutie", "PIL", ytvos),
    ("png", "PIL", "PIL", png),
    ("coco", "pycocotools", "pycocotools", coco_pycocotools),
    ("coco", "supervision", "supervision", coco_supervision),
    ("coco", "datumaro", "datumaro", coco_datumaro),
    ("yolo", "supervision", "supervision", yolo_supervision),
    ("datumaro", "datumaro", "datumaro", datumaro_datumaro),
    ("cvat-images", "datumaro", "datumaro", cvat_images_datumaro),
    ("cvat-images", "cvat-sdk", "cvat_sdk", cvat_images_sdk),
    ("cvat-images", "a part, as its server for a video", "cvat_sdk", cvat_images_on_video),
    ("cvat-video", "ElementTree and cvat-sdk, as its server", "cvat_sdk", cvat_video_sdk),
    ("mots", "datumaro", "datumaro", mots_datumaro),
    ("mots", "pycocotools on the texts", "pycocotools", mots_txt),
    ("ytvis", "pycocotools", "pycocotools", ytvis),
    ("sav", "pycocotools on the JSON", "pycocotools", sav_json),
    ("sav", "PIL, as sav_evaluator", "PIL", sav_png),
    ("labelstudio", "label_studio_sdk decode_rle", "label_studio_sdk", labelstudio),
    ("labelstudio", "label_studio_sdk converter, to NumPy", "label_studio_sdk", labelstudio_converter),
    ("labelme", "PIL, as labelme", "PIL", labelme),
    ("overlay", "OpenCV", "cv2", overlay),
]


def main():
    out = pathlib.Path(sys.argv[1])
    truth = Truth(out)
    is_cvat = importlib.util.find_spec("cvat_sdk") is not None
    rows = []
    for format_name, reader, module, read in READERS:
        if (module == "cvat_sdk") != is_cvat:
            continue
        row = {"format": format_name, "reader": reader, "frames": 0, "masks": 0, "worst_iou": None}
        try:
            with contextlib.redirect_stdout(sys.stderr):
                row |= read(out, truth)
        except Exception as error:  # A reader may fail in any way; the table says how.
            traceback.print_exc()
            row["verdict"] = f"FAILED: {type(error).__name__}: {error}"
        rows.append(row)
    if not is_cvat:
        write_foreign(out, truth)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
