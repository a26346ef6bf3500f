"""Configuration of the vision-language-action model: everything that its weights cannot be used without."""

from __future__ import annotations

from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig
from transformers.models.auto import CONFIG_MAPPING


class VLAConfig(PretrainedConfig):
    """Architecture, token ids and normalisation statistics of a `VLAForConditionalGeneration`.

    Args:
        vision_config: `{"model": open_clip model JSON, "layers": list[int], "image_mean": [3],
            "image_std": [3]}`; `layers` are the intermediate feature maps whose tokens the decoder sees.
        decoder_config: a causal language model's configuration, a dict with `model_type` or an object.
        image_size: side of the square input image, pixels.
        num_image_tokens: image tokens of it.
        wrist_image_size: side of the wrist camera's picture, pixels; 0 for a model that is not shown one.
        num_wrist_tokens: image tokens of it.
        state_dim: length S of the proprioceptive state; 0 for a model that is not shown its state.
        action_horizon: actions H in a chunk.
        plan: whether a decision begins with the place that the hand moves to, two location tokens, as RT-2's
            chain of thought begins with words.
        heeds_steps: whether it has learned instructions that the next step in words comes with.
        image_token_id, state_token_id, bin_token_start: ids in the tokenizer; bin b is `bin_token_start + b`.
        location_range: `[[x_min, x_max], [y_min, y_max]]` that location tokens span, m, robot base frame.
        embodiments: normalisation statistics per robot name, `{"action": {"q01": [7], "q99": [7]},
            "state": {"q01": [S], "q99": [S]}}`; they live here so that weights cannot be loaded without them.
            Also `"renderer"`, what drew the pictures of its demonstrations, where that is known.
        calibration: how probable answers are, see `vla.inference.calibration`; None before `vla calibrate`.
    """

    model_type = "vla"
    sub_configs: ClassVar[dict[str, Any]] = {"decoder_config": AutoConfig}

    def __init__(
        self,
        vision_config: dict[str, Any] | None = None,
        decoder_config: dict[str, Any] | PretrainedConfig | None = None,
        image_size: int = 96,
        num_image_tokens: int = 36,
        wrist_image_size: int = 0,
        num_wrist_tokens: int = 0,
        state_dim: int = 7,
        action_horizon: int = 4,
        plan: bool = False,
        heeds_steps: bool = False,
        image_token_id: int = 3,
        state_token_id: int = 4,
        bin_token_start: int = 5,
        location_range: list[list[float]] | None = None,
        embodiments: dict[str, Any] | None = None,
        calibration: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(decoder_config, dict):
            decoder_config = CONFIG_MAPPING[decoder_config.get("model_type", "gpt2")](**decoder_config)
        self.vision_config = vision_config or {}
        self.decoder_config = decoder_config or CONFIG_MAPPING["gpt2"]()
        self.image_size = image_size
        self.num_image_tokens = num_image_tokens
        self.wrist_image_size = wrist_image_size
        self.num_wrist_tokens = num_wrist_tokens
        self.state_dim = state_dim
        self.action_horizon = action_horizon
        self.plan = plan
        self.heeds_steps = heeds_steps
        self.image_token_id = image_token_id
        self.state_token_id = state_token_id
        self.bin_token_start = bin_token_start
        self.location_range = location_range or [[0.30, 0.70], [-0.30, 0.30]]
        self.embodiments = embodiments or {}
        self.calibration = calibration
        kwargs.setdefault("tie_word_embeddings", self.decoder_config.tie_word_embeddings)
        super().__init__(**kwargs)

    @property
    def cameras(self) -> tuple[str, ...]:
        """What a decision is made from; questions are about the first one's picture."""
        return ("front", "wrist") if self.wrist_image_size else ("front",)

    @property
    def image_sizes(self) -> dict[str, int]:
        """Side of each camera's picture, pixels."""
        return dict(zip(self.cameras, (self.image_size, self.wrist_image_size), strict=False))

    @property
    def plan_tokens(self) -> int:
        """Tokens of a decision before its first action."""
        return len(self.location_range) if self.plan else 0

    def get_text_config(self, decoder: bool | None = None, encoder: bool | None = None) -> PretrainedConfig:
        """The decoder's configuration, where transformers looks for layers and vocabulary."""
        return self.decoder_config


AutoConfig.register("vla", VLAConfig, exist_ok=True)
