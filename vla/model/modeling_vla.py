"""The model: image tokens, a state token and text in one sequence, read by one causal decoder.

    <bos> <image> x N  [ <image> x W <state> ] Q: ... ? A: answer or action tokens

Image and state placeholders are replaced by projected features; the rest is ordinary next-token prediction.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoModelForImageTextToText, GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.modeling_outputs import CausalLMOutputWithPast

from vla.model.configuration_vla import VLAConfig
from vla.model.decoder import build_decoder
from vla.model.projector import Projector, StateProjector
from vla.model.vision import VisionTower


class VLAForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """CLIP image encoder, projector and GPT decoder (RT-2's recipe, arXiv:2307.15818)."""

    config_class = VLAConfig
    config: VLAConfig
    base_model_prefix = "vla"
    main_input_name = "input_ids"
    _supports_sdpa = True
    _supports_attention_backend = True
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012 (no ClassVar in transformers either)

    def __init__(self, config: VLAConfig) -> None:
        super().__init__(config)
        self.vision = VisionTower(config.vision_config)
        self.decoder = build_decoder(config.decoder_config)
        embedding = self.decoder.get_input_embeddings()
        assert isinstance(embedding, nn.Embedding)
        channels = config.vision_config["token_channels"]
        self.projector = Projector(channels, embedding.embedding_dim)
        self.state_projector = (
            StateProjector(config.state_dim, embedding.embedding_dim) if config.state_dim else None
        )
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        # The tower and the decoder initialise themselves; only what is new here is left.
        if isinstance(module, Projector | StateProjector):
            module.reset_parameters()
        elif isinstance(module, VisionTower):
            module.reset_buffers()

    @classmethod
    def is_custom_code(cls) -> bool:
        """Be initialised as transformers' own models are, or `_init_weights` never sees a composed module."""
        return False

    def get_input_embeddings(self) -> nn.Module:
        """Token embedding of the decoder."""
        return self.decoder.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """Output layer of the decoder."""
        return self.decoder.get_output_embeddings()

    def embed(
        self,
        input_ids: torch.Tensor,
        pixel_values: torch.Tensor | None = None,
        states: torch.Tensor | None = None,
        wrist_values: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Embed tokens, with image and state features in place of their placeholders.

        Args:
            input_ids: int64[B, T]; each row holds N image placeholders when images are given, and W more
                before each `<state>` if it has a picture of the wrist camera.
            pixel_values: uint8[B, H, W, 3], one RGB image a row.
            states: float[K, S] in [-1, 1], one for each of the K rows with a `<state>` placeholder, in order;
                a row that asks for several actions shows the same state to each.
            wrist_values: uint8[K, h, h, 3], RGB, in the order of the states.
        Returns:
            float[B, T, D].
        """
        embeddings = self.get_input_embeddings()(input_ids)
        stated = input_ids == self.config.state_token_id
        asked = stated.sum(dim=1)
        asked = asked[asked > 0]  # actions that each of the K rows asks for
        if pixel_values is not None:
            shown = input_ids == self.config.image_token_id
            first = shown & (shown.cumsum(dim=1) <= self.config.num_image_tokens)
            embeddings = _scatter(embeddings, first, self.projector(self.vision(pixel_values)))
            if wrist_values is not None and self.config.num_wrist_tokens:
                features = self.projector(self.vision(wrist_values, second=True))
                embeddings = _scatter(embeddings, shown & ~first, features.repeat_interleave(asked, dim=0))
        if states is not None and self.state_projector is not None:
            features = self.state_projector(states.to(embeddings.dtype))
            embeddings = _scatter(embeddings, stated, features.repeat_interleave(asked, dim=0))
        return embeddings

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        states: torch.Tensor | None = None,
        wrist_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        logits_at: torch.Tensor | None = None,
        use_cache: bool | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Predict the next token at every position, or only where asked.

        Args:
            input_ids: int64[B, T].
            pixel_values: uint8[B, H, W, 3], see `embed`.
            states: float[K, S], see `embed`.
            wrist_values: uint8[K, h, h, 3], see `embed`.
            attention_mask: int[B, T], or [B, 1, T, T] for several independent turns after one image: bool
                (true where a token may look) or additive float.
            position_ids: int64[B, T].
            past_key_values: what was read before.
            inputs_embeds: float[B, T, D], in place of `input_ids`.
            logits_at: bool[B, T]; when given, logits are computed only there and come out as float[K, V].
            use_cache: whether to return the cache.
            **kwargs: for the decoder.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("forward needs input_ids or inputs_embeds")
            inputs_embeds = self.embed(input_ids, pixel_values, states, wrist_values)
        eager = self.decoder.config._attn_implementation == "eager"
        if eager and attention_mask is not None and attention_mask.dtype == torch.bool:
            # Eager attention would add true and false as the numbers 1 and 0.
            blocked = torch.zeros_like(attention_mask, dtype=inputs_embeds.dtype)
            attention_mask = blocked.masked_fill(~attention_mask, torch.finfo(inputs_embeds.dtype).min)
        if logits_at is None:
            return self.decoder(
                inputs_embeds=inputs_embeds,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=use_cache,
                **kwargs,
            )
        outputs = self.decoder.base_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=False,
        )
        return CausalLMOutputWithPast(
            logits=self.get_output_embeddings()(outputs.last_hidden_state[logits_at])
        )

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.LongTensor,
        next_sequence_length: int | None = None,
        past_key_values: Cache | None = None,
        attention_mask: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Let transformers' `generate` show image and state once: afterwards they are in the cache."""
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(  # type: ignore[misc]
            input_ids,
            next_sequence_length=next_sequence_length,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        if past_key_values is not None and not is_first_iteration:
            inputs |= {"pixel_values": None, "states": None, "wrist_values": None}
        return inputs


def _scatter(embeddings: torch.Tensor, where: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Put features float[..., D] in order at the true places of bool[B, T]."""
    width = embeddings.shape[-1]
    features = features.reshape(-1, width)
    if int(where.sum()) != features.shape[0]:
        raise ValueError(f"{int(where.sum())} placeholder tokens, but {features.shape[0]} feature vectors")
    return embeddings.masked_scatter(where.unsqueeze(-1), features.to(embeddings.dtype))


AutoModel.register(VLAConfig, VLAForConditionalGeneration, exist_ok=True)
AutoModelForImageTextToText.register(VLAConfig, VLAForConditionalGeneration, exist_ok=True)
