"""What configurations hold: frozen, validated objects, which `vla.config_files` reads from YAML."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    field_validator,
    model_validator,
)

from vla.errors import ConfigError


def check_seed(seed: int) -> None:
    """Raise ConfigError if a seed is negative."""
    if seed < 0:
        raise ConfigError(f"--seed is {seed}; it must be at least 0")


class StrictModel(BaseModel):
    """Base of every configuration object: unknown keys are errors and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _some(languages: dict[str, float]) -> dict[str, float]:
    if not sum(languages.values()):
        raise ValueError("give a language a weight above 0")
    return languages


Languages = Annotated[dict[str, NonNegativeFloat], AfterValidator(_some)]
"""Language -> weight."""


class LedRecipe(StrictModel):
    """Who leads the robot in demonstrations; the labels are always the expert's (DAgger, arXiv:1011.0686).

    Attributes:
        policy: folder of a checkpoint that leads it for a while in some of the episodes.
        led: share of these episodes.
    """

    policy: str | None = None
    led: float = Field(default=0.0, ge=0, le=1)


class CollectRecipe(LedRecipe):
    """What ``vla collect`` records.

    Attributes:
        name: of the dataset.
        seed: every episode's seed is derived from it.
        fps: control steps per second; the env's own rate.
        image_size: width and height of every camera image, pixels.
        cameras: which cameras are recorded.
        share: of every number of episodes and scenes below that is recorded.
        tasks: task -> number of successful episodes.
        split: of `sim.variations.SPLITS`, that everything is drawn from; every task must have it.
        renderer: "tiny" (software), "egl" (a GPU's) or "auto" (the faster one).
        scenes: number of random still scenes, for questions.
        moments: number of moments of the tasks, each of another scene, drawn in proportion to `tasks`: the
            hand is posed anywhere, and the expert's action recorded.
        questions: that are written beside each still scene, with their answers.
        captions: that are written beside each still scene.
        languages: language -> share of the instructions.
        noise: standard deviation of the exploration noise on executed actions, of the action range [-1, 1].
        detours: share of the episodes in which the hand strays once for a few steps, to some wrong place.
        frames_per_scene_episode: stills, or moments, written as one episode.
    """

    name: str = Field(min_length=1)
    seed: int = Field(ge=0)
    fps: int = Field(default=5, ge=1)
    image_size: int = Field(default=96, ge=16, le=1024)
    cameras: list[str] = Field(default=["front"], min_length=1)
    share: float = Field(default=1.0, gt=0, le=1)
    tasks: dict[str, NonNegativeInt]
    split: str = "seen"
    renderer: str = "tiny"
    scenes: int = Field(default=0, ge=0)
    moments: int = Field(default=0, ge=0)
    questions: int = Field(default=0, ge=0)
    captions: int = Field(default=0, ge=0)
    languages: Languages = {"en": 0.8, "ja": 0.2}
    noise: float = Field(default=0.2, ge=0, le=1)
    detours: float = Field(default=0.0, ge=0, le=1)
    frames_per_scene_episode: int = Field(default=50, ge=1)


class EnvRecipe(LedRecipe):
    """What ``vla collect`` records in a gymnasium environment that is not ours, and how a policy meets it.

    A place is keys of the observation (or of `info`) with a / between them, such as pixels/top.

    Attributes:
        env: id for `gymnasium.make`; package:id imports the package that registers it.
        kwargs: for `gymnasium.make`.
        name: what reports call the task.
        robot: name of the embodiment in recordings and checkpoints.
        fps: control steps per second.
        max_episode_steps: after which an episode is cut off; the env's own number when omitted.
        images: camera -> place of its picture in the observation, "render" for what `env.render` returns, or
            FUNCTION of a file, as `expert`, that is given the env and returns a picture, uint8[H, W, 3].
            The default checkpoint has the cameras front and wrist; a single one stands for both.
        image_size: width and height that pictures are recorded with, pixels; the middle square is taken.
        state: places in the observation whose numbers make the robot's state; place[0:6] are the first six.
        instruction: what is asked for: one sentence or several, one of which is drawn for each episode.
        instruction_at: place in `info` of the instruction, where the env says it itself.
        success: place in `info` that says whether the task is done.
        prepare: FUNCTION of a file, as `expert`, that is given the env once it is made.
        expert: FILE.py:FUNCTION, relative to this file, or MODULE:FUNCTION. The function takes the env's
            observation and info and returns its action.
        episodes: successful ones.
        seed: every episode's seed is derived from it.
        noise: standard deviation on executed actions, of half their range.
    """

    env: str = Field(min_length=1)
    kwargs: dict[str, Any] = {}
    name: str = Field(min_length=1)
    robot: str = Field(min_length=1)
    fps: int = Field(ge=1)
    max_episode_steps: int | None = Field(default=None, ge=1)
    images: dict[str, str] = Field(min_length=1)
    image_size: int = Field(default=128, ge=16, le=1024)
    state: list[str] = Field(min_length=1)
    instruction: list[str] = []
    instruction_at: str | None = None
    success: str = "is_success"
    prepare: str | None = None
    expert: str | None = None
    episodes: int = Field(default=100, ge=1)
    seed: int = Field(default=0, ge=0)
    noise: float = Field(default=0.1, ge=0, le=1)

    @field_validator("instruction", mode="before")
    @classmethod
    def _as_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_told(self) -> "EnvRecipe":
        if bool(self.instruction) == (self.instruction_at is not None):
            raise ValueError("give `instruction` or `instruction_at`, one of them")
        return self


class VisionPart(StrictModel):
    """The image encoder of a model.

    Attributes:
        architecture: an open_clip architecture name ("ViT-B-16") or the path of an open_clip model JSON.
        pretrained: an open_clip tag ("openai"), a local weights file, or a folder of `vla train clip`.
        layers: intermediate layers whose feature maps become tokens, see `vla.model.vision`.
    """

    architecture: str
    pretrained: str | None = None
    layers: list[int] = Field(min_length=1)


class DecoderPart(StrictModel):
    """The language decoder of a model: a pretrained one, or the configuration of a new one.

    Attributes:
        pretrained: hub name or local folder of a causal language model ("gpt2").
        config: transformers configuration with `model_type` ("gpt2", "llama", ...).
    """

    pretrained: str | None = None
    config: dict[str, Any] | None = None


class ModelConfig(StrictModel):
    """A new model and the parts it is made of.

    Attributes:
        vision: image encoder.
        decoder: language decoder.
        tokenizer: folder of `vla train-tokenizer`, or the hub name of the pretrained decoder's own.
        wrist_image_size: side of the wrist camera's picture, pixels; 0 does without. A ViT needs its own.
        proprioception: whether the model is shown the robot's state.
        action_horizon: actions in a chunk.
        plan: begin a decision with the place that the hand moves to; needs demonstrations with true scenes.
    """

    vision: VisionPart
    decoder: DecoderPart
    tokenizer: str
    wrist_image_size: int = Field(default=0, ge=0, le=1024)
    proprioception: bool = True
    action_horizon: int = Field(default=4, ge=1, le=64)
    plan: bool = False


class LoraPart(StrictModel):
    """Low-rank adapters that are trained in place of the decoder's matrices (LoRA, arXiv:2106.09685).

    Attributes:
        rank: of each adapter.
        alpha: an adapter's output is scaled by alpha / rank.
        dropout: on an adapter's input.
    """

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class LoopConfig(StrictModel):
    """The training loop.

    Attributes:
        steps: optimizer steps in all; with a deadline, at most.
        deadline: when training should be over, as 2026-11-27T07:00; how many steps fit in is measured after
            the warm-up, and the schedule made for them. A run that goes on measures anew.
        batch_size: images a step and process.
        learning_rate: peak of the schedule (linear warm-up, cosine to zero).
        rates: start of a parameter's name -> its learning rate relative to the rest; 0 freezes it.
        warmup_steps: length of the warm-up.
        weight_decay: AdamW's, on matrices.
        gradient_clip: largest gradient norm; 0 clips nothing.
        precision: "bf16" (autocast), "fp32", or "auto": bf16 where the hardware multiplies it.
        device: "auto" takes a GPU if there is one; "cpu" never does.
        log_every: steps between log lines.
        checkpoint_every: steps between saved states.
        seed: of the weights, the data stream and dropout.
    """

    steps: int = Field(ge=1)
    deadline: datetime | None = None
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    rates: dict[str, Annotated[float, Field(ge=0)]] = {}
    warmup_steps: int = Field(default=100, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    gradient_clip: float = Field(default=1.0, ge=0)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    device: Literal["auto", "cpu"] = "auto"
    log_every: int = Field(default=20, ge=1)
    checkpoint_every: int = Field(default=500, ge=1)
    seed: int = Field(default=0, ge=0)


class AugmentConfig(StrictModel):
    """How much pictures are varied in training, at most: see `vla.data.augment`. Zero is not at all.

    Attributes:
        shift: of the picture along each axis, share of its side.
        warp: change of each entry of the 2 x 2 matrix that maps it, hence zoom, turn and shear.
        light: of the logarithm of its brightness.
        tint: the same of each colour channel. Much of it would make colour words lie.
        blotches: brightness of random squares that are laid over it, share of white.
    """

    shift: float = Field(default=0.0, ge=0, le=0.5)
    warp: float = Field(default=0.0, ge=0, le=0.5)
    light: float = Field(default=0.0, ge=0, le=2)
    tint: float = Field(default=0.0, ge=0, le=1)
    blotches: float = Field(default=0.0, ge=0, le=1)


class ClipTrainConfig(StrictModel):
    """`vla train clip`.

    Attributes:
        architecture: path of an open_clip model JSON.
        tokenizer: folder of `vla train-tokenizer`.
        data: dataset folder; its frames are captioned from their true scenes.
        loss: "clip" (softmax) or "siglip" (sigmoid).
        languages: language -> weight of the captions.
        augment: how pictures are varied; not at all when omitted.
        loop: the loop.
    """

    architecture: str
    tokenizer: str
    data: str
    loss: Literal["clip", "siglip"] = "clip"
    languages: Languages = {"en": 0.75, "ja": 0.25}
    augment: AugmentConfig | None = None
    loop: LoopConfig


class MixtureConfig(StrictModel):
    """What co-fine-tuning mixes.

    Attributes:
        motion_share: share of images that come with their action chunk (RT-2 took 0.5 to 0.66).
        demonstrations: how many of the dataset's episodes with actions, its first ones, are learned from; all
            when omitted.
        instructions_per_image: instructions that a demonstration's frame is learned with: its own, and others
            that its scene allows, with the action that the expert would take for them.
        step_share: share of the instructions that the next step in words comes with, where it is plain.
        questions_per_image: questions asked of every image, beside the actions if there are any.
        languages: language -> weight of the questions.
        framed_share: share of the instructions and questions that stand in a longer sentence ("please ...").
        typo_share: share of the English ones with a mistyped word.
        max_tokens: longest sequence of an image and its turns; questions that do not fit are left out.
        question_families: families to draw from, a repeated name counting twice; all of them when omitted.
        rows_per_motion: times that a demonstration's frame is prepared, with other questions each time.
        rows_per_still: times that a still picture is.
    """

    motion_share: float = Field(default=0.6, ge=0, le=1)
    demonstrations: int | None = Field(default=None, ge=1)
    instructions_per_image: int = Field(default=1, ge=1, le=8)
    step_share: float = Field(default=0.0, ge=0, le=1)
    questions_per_image: int = Field(default=3, ge=0, le=16)
    languages: Languages = {"en": 0.75, "ja": 0.25}
    framed_share: float = Field(default=0.0, ge=0, le=1)
    typo_share: float = Field(default=0.0, ge=0, le=1)
    max_tokens: int = Field(default=144, ge=64)
    question_families: list[str] | None = None
    rows_per_motion: int = Field(default=1, ge=1)
    rows_per_still: int = Field(default=4, ge=1)


class ReplayPart(StrictModel):
    """Old data among the new, so that what a model knows survives.

    Attributes:
        data: dataset folder with demonstrations and stills.
        share: of the pictures of each batch.
        motion_share: of these, that come with actions.
    """

    data: str
    share: float = Field(default=0.5, gt=0, lt=1)
    motion_share: float = Field(default=0.6, ge=0, le=1)


class VLATrainConfig(StrictModel):
    """`vla train vla`.

    Attributes:
        model: a new model; or
        init: a checkpoint folder to start from.
        lora: train adapters and embeddings of the decoder, not its matrices; they are merged at the end.
        data: dataset folder with demonstrations and stills.
        replay: old data among them, if any.
        mixture: actions and questions.
        augment: how pictures are varied; not at all when omitted.
        bin_sigma: neighbouring bins count as nearly right, within this many bins; 0 for plain cross-entropy.
        place_weight: weight of a token of a place, in an answer or a plan, beside one of a word or action.
        compile: compile image encoder and decoder before training, which takes a minute or two.
        loop: the loop.
    """

    model: ModelConfig | None = None
    init: str | None = None
    lora: LoraPart | None = None
    data: str
    replay: ReplayPart | None = None
    mixture: MixtureConfig = MixtureConfig()
    augment: AugmentConfig | None = None
    bin_sigma: float = Field(default=2.0, ge=0)
    place_weight: float = Field(default=1.0, gt=0)
    compile: bool = False
    loop: LoopConfig


class FinetuneConfig(StrictModel):
    """`vla finetune`.

    Attributes:
        steps: optimizer steps; by the number of demonstrations when omitted.
        batch_size: pictures a step, old ones included.
        learning_rate: peak of the schedule.
        replay: share of old data in every batch; 0 for none.
        lora: train adapters and embeddings of the decoder, not its matrices.
        mixture: of the new data.
        augment: how pictures are varied.
        checks: rollouts of the new task on the way, at equal distances, the last one at the end.
        check_episodes: of each of these.
        tolerance: share of a check's episodes by which a later one may be worse than the best before it and
            still be kept: later weights have forgotten less, since the rate has fallen.
        patience: checks in a row that are not kept after which training ends.
        episodes: of each task before and after, for the report.
        old_tasks: that are measured beside the new one.
        scenes: that questions are asked about, before and after.
        seed: of the training.
    """

    steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=32, ge=2)
    learning_rate: float = Field(default=1e-4, gt=0)
    replay: float = Field(default=0.5, ge=0, lt=1)
    lora: LoraPart | None = None
    mixture: MixtureConfig = MixtureConfig(
        motion_share=1, questions_per_image=4, framed_share=0.25, typo_share=0.2, max_tokens=176
    )
    augment: AugmentConfig | None = AugmentConfig(shift=0.05, warp=0.1, light=0.6, tint=0.15, blotches=0.12)
    checks: int = Field(default=4, ge=1)
    check_episodes: int = Field(default=20, ge=1)
    tolerance: float = Field(default=0.2, ge=0, le=1)
    patience: int = Field(default=2, ge=1)
    episodes: int = Field(default=50, ge=1)
    old_tasks: list[str] = ["reach", "pick_up", "place_in_bowl", "open_drawer"]
    scenes: int = Field(default=100, ge=0)
    seed: int = Field(default=0, ge=0)


class EvalConfig(StrictModel):
    """`vla eval`.

    Attributes:
        tasks: those whose success is measured, each in the splits that it has; null for all.
        splits: of `sim.variations.SPLITS`, that scenes and instructions are drawn from.
        episodes: per task and split, and of the test with another object in the instruction.
        episodes_of_split: at least, over its tasks: where a split has few, each plays more.
        scenes: that questions are asked about in each split; 0 asks none.
        question_families: asked about; null for all.
        seed: of the first episode and scene; demonstrations use seeds from 2**31 up.
        languages: language -> weight of the instructions and questions; the split japanese has its own.
        typos: mistype a word of every English instruction.
        plan: let the policy say what comes next before it acts on it, see `vla rollout --plan`.
        envs: simulators at a time.
        execute: actions executed of each chunk.
        nearest_data: demonstrations of the nearest-neighbour baseline, which is left out without them.
        nearest_encoder: its image encoder, a folder of `vla train clip`.
    """

    tasks: list[str] | None = Field(default=None, min_length=1)
    splits: list[str] = Field(default=["seen"], min_length=1)
    episodes: int = Field(default=100, ge=1)
    episodes_of_split: int = Field(default=1, ge=1)
    scenes: int = Field(default=500, ge=0)
    question_families: list[str] | None = None
    seed: int = Field(default=10_000, ge=0, lt=2**30)
    languages: Languages = {"en": 0.8, "ja": 0.2}
    typos: bool = False
    plan: bool = False
    envs: int = Field(default=8, ge=1)
    execute: int = Field(default=2, ge=1)
    nearest_data: str | None = None
    nearest_encoder: str | None = None


class AskEvalConfig(StrictModel):
    """`vla eval ask`.

    Attributes:
        splits: of `sim.variations.SPLITS`, that scenes are drawn from.
        scenes: that questions are asked about in each split: of each family one, where the scene offers one.
        seed: of the scenes; `vla calibrate` uses others.
        languages: language -> weight of the questions.
    """

    splits: list[str] = Field(default=["seen"], min_length=1)
    scenes: int = Field(default=1000, ge=1)
    seed: int = Field(default=10_000, ge=0, lt=2**30)
    languages: Languages = {"en": 0.5, "ja": 0.5}
