"""The inference engine: batched prefill, then decoding on a key-value cache, always under a grammar.

Everything that asks the model something (rollouts, evaluation, `vla ask`, the benchmark) goes through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers.cache_utils import DynamicCache

from vla.actions.bins import NUM_BINS, BinTokenizer
from vla.actions.embodiment import Embodiment
from vla.actions.locations import bins_to_location, location_text, location_to_bins
from vla.errors import CheckpointError, DataError
from vla.inference.calibration import NO, YES, Calibration
from vla.inference.constraints import ENDED, AnswerGrammar, action_slots, chance_near, choose_bin
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor, square_image
from vla.text.prompt import language_of
from vla.text.tokenizer import decode_text
from vla.types import ActionChunk, Answer, Observation

MAX_ANSWER_TOKENS = 56  # an inventory of seven objects has 43 in English and up to 53 in Japanese


class Engine:
    """Acts and answers with one model.

    Args:
        model: in evaluation mode, on its device.
        processor: the model's.
        embodiment: robot whose statistics scale states and actions; by default the first one known.
    Raises:
        CheckpointError: the model knows no such robot.
    """

    def __init__(
        self, model: VLAForConditionalGeneration, processor: VLAProcessor, embodiment: str | None = None
    ) -> None:
        known = model.config.embodiments
        name = embodiment or next(iter(known))
        if name not in known:
            raise CheckpointError(
                f"the model has no statistics for robot {name!r}; it knows {', '.join(known)}"
            )
        self.model, self.processor, self.config = model, processor, model.config
        self.device = next(model.parameters()).device
        self.embodiment = Embodiment.from_dict(name, known[name])
        self.calibration = Calibration.from_dict(self.config.calibration)
        self.bins = BinTokenizer()
        self.plan_tokens = self.config.plan_tokens if self.embodiment.plans else 0
        slots = action_slots(self.embodiment.action, self.config.action_horizon, self.plan_tokens)
        self.slots = torch.from_numpy(slots).to(self.device)
        tokenizer = processor.tokenizer
        vocab = int(model.decoder.config.vocab_size)
        special = [i for i, token in tokenizer.added_tokens_decoder.items() if token.special]
        special += range(len(tokenizer), vocab)  # embeddings may be padded beyond the tokenizer
        foreign = [i for i in range(len(tokenizer)) if not decode_text(tokenizer, [i]).isascii()]
        start, end = self.config.bin_token_start, tokenizer.eos_token_id
        # Words of one token alone can be kept out; where the vocabulary is small, "no" begins "nothing".
        verdicts = [processor.answer_ids(word)[:-1] for word in (*YES, *NO)]
        nothing = processor.answer_ids("nothing")[0]
        whole = [ids[0] for ids in verdicts if len(ids) == 1 and ids[0] != nothing]
        self.grammar = AnswerGrammar(vocab, start, end, special, foreign, whole).to(self.device)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Engine:
        """Load a checkpoint folder: see `vla.training.checkpoint.load_model`."""
        from vla.training.checkpoint import load_model

        return cls(*load_model(folder, device))

    def decide(
        self, observations: Sequence[Observation], steps: Sequence[str | None] | None = None
    ) -> list[ActionChunk]:
        """Decide what to do next from what is seen and told: see `act`."""
        seen = {
            camera: np.stack([each.pixels[self.embodiment.camera(camera)] for each in observations])
            for camera in self.config.cameras
        }
        return self.act(
            seen["front"],
            np.stack([observation.agent_pos for observation in observations]),
            [observation.instruction for observation in observations],
            seen.get("wrist"),
            steps,
        )

    @torch.inference_mode()
    def act(
        self,
        images: np.ndarray,
        states: np.ndarray,
        instructions: Sequence[str],
        wrist_images: np.ndarray | None = None,
        steps: Sequence[str | None] | None = None,
    ) -> list[ActionChunk]:
        """Decide what to do next.

        Args:
            images: uint8[B, H, W, 3] at the model's image size.
            states: float32[B, S], the robot's own units; not looked at by a model without proprioception.
            instructions: B of them.
            wrist_images: uint8[B, h, w, 3], for a model that is shown them; brought to its size here.
            steps: B next steps in words, for a model that has learned to follow them.
        Returns:
            B chunks, actions in the units of the robot's recordings; of our arm in the env's [-1, 1].
        Raises:
            DataError: states or pictures are not as the model knows them.
            InstructionError: an instruction cannot be used.
            ActionTokenError: the tokens are no action (cannot happen under the mask; never made zeros).
        """
        if not np.isfinite(states).all():
            raise DataError("states hold values that are not finite; look at the robot's sensors")
        said = zip(instructions, steps or [None] * len(instructions), strict=True)
        prompts = [self.processor.motion_ids(text, step) for text, step in said]
        scaled = self.embodiment.scale_states(states, self.config.state_dim)
        normalised = torch.from_numpy(scaled).to(self.device)
        lead, statistics = self.plan_tokens, self.embodiment.action
        decoder = _Decoder(
            self.model,
            self._images(images, self.config.image_size),
            prompts,
            self.processor,
            len(self.slots),
            normalised,
            self._wrist(wrist_images),
        )
        written, chances = self._write(decoder, len(prompts))
        bins, probabilities = written.cpu().numpy(), chances.float().cpu().numpy()
        chunks = []
        for row, chance in zip(bins, probabilities, strict=True):
            actions, terminate = self.bins.bins_to_chunk(row[lead:], statistics.dim)
            chunks.append(
                ActionChunk(
                    actions=statistics.denormalise(actions),
                    terminate=terminate,
                    token_probabilities=chance[lead:].reshape(-1, 1 + statistics.dim),
                    plan=bins_to_location(row[:lead], self.config.location_range) if lead else None,
                )
            )
        return chunks

    def _write(self, decoder: _Decoder, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Choose the bins of plan and actions, one after the other.

        Returns:
            Bins int64[B, P + H * n] and the probability of each.
        """
        start, length, lead = self.config.bin_token_start, len(self.slots), self.plan_tokens
        open_slots = (self.slots.sum(dim=1) > 1).tolist()  # the others have one bin, written from the start
        written = self.slots.int().argmax(dim=1).repeat(rows, 1)
        chances = torch.ones(rows, length, device=self.device)
        index = 0
        hidden = decoder.hidden  # float[B, n, D]: column k predicts token index + k
        while True:
            count = hidden.shape[1]
            logits = decoder.logits(hidden)[..., start : start + NUM_BINS].float()
            logits = logits.masked_fill(~self.slots[index : index + count], -torch.inf)
            chance, chosen = choose_bin(logits, place=index < lead)
            right = (chosen[:, :-1] == written[:, index : index + count - 1]).all(dim=0).tolist()
            known = count if all(right) else right.index(False) + 1  # a choice after a wrong guess is void
            chances[:, index : index + known] = chance[:, :known]
            written[:, index : index + known] = chosen[:, :known]
            index += known
            if index == length:
                break
            if known < count:
                decoder.drop(count - known)
            ahead = self._guess(written, index, open_slots)
            hidden = decoder.feed(written[:, index - 1 : min(ahead, length - 1)] + start)
        return written, chances

    def _guess(self, written: torch.Tensor, index: int, open_slots: Sequence[bool]) -> int:
        """Write what probably follows from `index` on into int64[B, P + H * n]; returns where guessing ends.

        Guesses are fed together with the last token that is known. The model's own choices are then read off
        in order, and what follows a wrong guess is taken back, so guessing saves passes and changes nothing.
        A guess is what the action before had: for `terminate` and the gripper, which rarely change, and for
        a displacement where there is no other row to agree with. The first action is guessed not to
        terminate. What has one bin only needs no guess.
        """
        size = self.embodiment.tokens_per_action
        end = min(index + size, written.shape[1])
        for place in range(index, end):
            action, token = divmod(place - self.plan_tokens, size)
            if not open_slots[place] or (action == 0 and token == 0):
                continue  # its lowest bin was written from the start
            rarely_changes = token in (0, size - 1)
            if action <= 0 or not (rarely_changes or len(written) == 1):
                return place
            written[:, place] = written[:, place - size]
        return end

    @torch.inference_mode()
    def ask(
        self,
        images: np.ndarray,
        questions: Sequence[str],
        points: Sequence[tuple[float, float] | None] | None = None,
    ) -> list[Answer]:
        """Answer one question about each image.

        Args:
            images: uint8[B, H, W, 3] at the model's image size.
            questions: B of them; "{point}" stands for the table position in `points`.
            points: metres (x, y), or None where the question has no "{point}".
        Returns:
            B answers, in English unless asked in Japanese; confidences are calibrated if the checkpoint is.
        """
        points = points or [None] * len(questions)
        prompts = [
            self.processor.question_ids(
                question, None if point is None else location_to_bins(point, self.config.location_range)
            )
            for question, point in zip(questions, points, strict=True)
        ]
        pictures = self._images(images, self.config.image_size)
        decoder = _Decoder(self.model, pictures, prompts, self.processor, MAX_ANSWER_TOKENS)
        state = self.grammar.begin(questions)
        english = torch.tensor([language_of(question) == "en" for question in questions], device=self.device)
        start = self.config.bin_token_start
        tokens, chances = [], []
        for index in range(MAX_ANSWER_TOKENS):
            logits = (
                decoder.logits(decoder.hidden[:, -1])
                .float()
                .masked_fill(~self.grammar.allowed(state, english), -torch.inf)
            )
            all_chances = torch.softmax(logits, dim=-1)
            chance, token = all_chances.max(dim=-1)
            bins = token - start
            near = chance_near(all_chances[:, start : start + NUM_BINS], bins)
            tokens.append(token)
            chances.append(torch.where((bins >= 0) & (bins < NUM_BINS), near, chance))
            state = self.grammar.advance(state, token)
            if bool((state == ENDED).all()) or index == MAX_ANSWER_TOKENS - 1:
                break
            decoder.feed(token[:, None])
        written, probabilities = (
            torch.stack(tokens, dim=1).cpu().numpy(),
            torch.stack(chances, dim=1).cpu().numpy(),
        )
        return [self._answer(row, chance) for row, chance in zip(written, probabilities, strict=True)]

    @torch.inference_mode()
    def attention(self, image: np.ndarray, question: str) -> np.ndarray:
        """Where the model looks when it begins to answer.

        Args:
            image: uint8[H, W, 3] at the model's image size.
            question: without a place in it.
        Returns:
            float32[g, g] of the g x g patches, summing to 1: attention of the question's last token, averaged
            over layers and heads.
        """
        ids = self.processor.prefix_ids() + self.processor.question_ids(question)
        pixels = self._images(np.stack([image]), self.config.image_size)
        embeds = self.model.embed(torch.tensor([ids], device=self.device), pixels)
        decoder = self.model.decoder
        before = decoder.config._attn_implementation
        decoder.set_attn_implementation("eager")  # the fused one keeps no weights
        try:
            layers = decoder.base_model(
                inputs_embeds=embeds, output_attentions=True, use_cache=False
            ).attentions
        finally:
            decoder.set_attn_implementation(before)
        count = self.config.num_image_tokens
        looked = torch.stack([layer[0, :, -1, 1 : 1 + count] for layer in layers]).float().mean(dim=(0, 1))
        side = round(count**0.5)
        return (looked / looked.sum()).reshape(side, side).cpu().numpy()

    def _answer(self, tokens: np.ndarray, chances: np.ndarray) -> Answer:
        ends = np.flatnonzero(tokens == self.grammar.eos_token_id)
        length = int(ends[0]) if len(ends) else len(tokens)
        kept = chances[: length + 1]
        text, places = self._words(tokens[:length])
        answer = Answer(
            text=text,
            confidence=float(np.prod(kept, dtype=np.float64)),
            point=places[0] if length == 2 and places else None,
            places=tuple(places),
            token_probabilities=kept,
        )
        return replace(answer, confidence=self.calibration.confidence(answer))

    def _words(self, tokens: np.ndarray) -> tuple[str, list[tuple[float, float]]]:
        """Text of answer tokens, and the places in it; each pair of bins is written in metres."""
        bins = tokens - self.config.bin_token_start
        is_bin = (bins >= 0) & (bins < NUM_BINS)
        parts: list[str] = []
        places: list[tuple[float, float]] = []
        at = 0
        while at < len(tokens):
            if is_bin[at]:
                end = at + 2
                if end <= len(tokens):  # else the answer was cut inside a place
                    places.append(bins_to_location(bins[at:end], self.config.location_range))
                    parts.append(f" {location_text(places[-1])}")
            else:  # words up to the next place, decoded together: a letter may span tokens
                end = at + 1
                while end < len(tokens) and not is_bin[end]:
                    end += 1
                parts.append(self.processor.text(tokens[at:end].tolist()).rstrip())
            at = end
        return "".join(parts).strip(), places

    def _wrist(self, images: np.ndarray | None) -> torch.Tensor | None:
        size = self.config.wrist_image_size
        if (images is None) == bool(size):
            needed = "is shown the wrist camera; give its pictures"
            unknown = "is not shown a wrist camera; leave its pictures out"
            raise DataError(f"the model {needed if size else unknown}")
        if images is None:
            return None
        return self._images(np.stack([square_image(image, size) for image in images]), size)

    def _images(self, images: np.ndarray, size: int) -> torch.Tensor:
        if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3):
            raise DataError(
                f"images are {images.dtype}{list(images.shape)}; needed is uint8[B, {size}, {size}, 3]"
            )
        return torch.from_numpy(np.ascontiguousarray(images)).to(self.device)


class _Decoder:
    """A batch of prompts on a key-value cache: `hidden` states of what was fed last, `feed` to go on.

    Prompts are padded on the left of the text, between image and prompt, so that all rows end at the same
    column; padding is masked and positions are counted without it, exactly as in training.
    """

    def __init__(
        self,
        model: VLAForConditionalGeneration,
        images: torch.Tensor,
        prompts: list[list[int]],
        processor: VLAProcessor,
        room: int,
        states: torch.Tensor | None = None,
        wrist_images: torch.Tensor | None = None,
    ) -> None:
        self.model = model
        device = images.device
        prefix = processor.prefix_ids()
        longest = max(len(prompt) for prompt in prompts)
        pads = [longest - len(prompt) for prompt in prompts]
        pad = processor.tokenizer.pad_token_id
        ids = [prefix + [pad] * n + prompt for n, prompt in zip(pads, prompts, strict=True)]
        length, start = len(prefix) + longest, len(prefix)
        limit = model.config.decoder_config.max_position_embeddings
        if length + room > limit:
            raise DataError(
                f"the prompt has {length} tokens; with an answer of {room} the decoder's {limit} are too few"
            )
        columns = torch.arange(length, device=device)
        padding = torch.tensor(pads, device=device)[:, None]
        real = (columns < start) | (columns >= start + padding)
        positions = torch.where(columns < start, columns, (columns - padding).clamp(min=0))
        self.mask = torch.cat([real, real.new_ones(len(prompts), room)], dim=1)
        self.next_position = positions[:, -1:] + 1
        self.length = length
        self.cache = DynamicCache(config=model.config.decoder_config)
        self.any_padding = any(pads)
        embeds = model.embed(torch.tensor(ids, device=device), images, states, wrist_images)
        self.hidden = self._forward(embeds, positions)[:, -1:]

    def feed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append tokens int64[B, n]; returns float[B, n, D], which predict the token after each."""
        count = tokens.shape[1]
        positions = self.next_position + torch.arange(count, device=tokens.device)
        self.next_position = self.next_position + count
        self.length += count
        self.hidden = self._forward(self.model.get_input_embeddings()(tokens), positions)
        return self.hidden

    def drop(self, count: int) -> None:
        """Take the last tokens back."""
        self.cache.crop(-count)
        self.next_position = self.next_position - count
        self.length -= count

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits float[B, V] of hidden states float[B, D]."""
        return self.model.get_output_embeddings()(hidden)

    def _forward(self, embeds: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        mask = self.mask[:, : self.length].long() if self.any_padding else None
        hidden: torch.Tensor = self.model.decoder.base_model(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        return hidden
