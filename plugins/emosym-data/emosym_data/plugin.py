"""What this plugin has: components by name; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

from emosym_registry import API_VERSION, ComponentSpec, PluginInfo, hookimpl


@hookimpl
def emosym_plugin_info() -> PluginInfo:
    return PluginInfo(
        "emosym-data",
        API_VERSION,
        "Datasets emoset, image-folder, index and hf; knowledge annotations, jsonl, backbone and openai",
    )


@hookimpl
def emosym_components() -> Iterable[ComponentSpec]:
    folder = "A folder of pictures for each emotion (FI), with splits or a seeded stratified one"
    listed = "Pictures that a JSON-lines file lists, with splits, labels and attributes"
    hub = "A dataset of the Hugging Face datasets library, from the hub or a folder"
    text = "Text from the dataset's annotations: a field that holds text, or a template over attributes"
    lines = "Text from a JSON-lines file, by sample id or image path"
    own = "Text that the run's own backbone writes about each picture before training, kept in a file"
    asked = "Text from any OpenAI-compatible endpoint, within its limits and a budget, kept in a file"
    yield _component("dataset", "emoset", "emoset:EmoSet", "EmoSet", "A folder in EmoSet-118K's layout")
    yield _component("dataset", "image-folder", "image_folder:ImageFolder", "ImageFolder", folder)
    yield _component("dataset", "index", "index:IndexFile", "Index", listed)
    yield _component("dataset", "hf", "hf:HfDataset", "Hf", hub)
    yield _component("knowledge", "annotations", "annotations:AnnotationKnowledge", "Annotations", text)
    yield _component("knowledge", "jsonl", "jsonl:JsonlKnowledge", "Jsonl", lines)
    yield _component("knowledge", "backbone", "backbone:BackboneKnowledge", "BackboneKnowledge", own)
    yield _component("knowledge", "openai", "endpoint:EndpointKnowledge", "OpenAI", asked)


def _component(kind: str, name: str, target: str, stem: str, summary: str) -> ComponentSpec:
    """``stem`` begins the name of its config model and is that of its conformance suite."""
    config, suite = f"emosym_data.config:{stem}Config", f"emosym_data.conformance:{stem}"
    return ComponentSpec(kind, name, f"emosym_data.{target}", config, summary, conformance=suite)
