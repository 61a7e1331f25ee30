"""What ``__init__.py`` imports at first use, for type checkers and editors."""

from nanobragg.errors import DeviceError as DeviceError
from nanobragg.errors import InputError as InputError
from nanobragg.inputs.toml import read_config as read_config
from nanobragg.inputs.toml import write_config as write_config
from nanobragg.inputs.words import parse_words as parse_words
from nanobragg.io.any_image import read_pixels as read_pixels
from nanobragg.records.experiment import Beam as Beam
from nanobragg.records.experiment import Crystal as Crystal
from nanobragg.records.experiment import Detector as Detector
from nanobragg.records.experiment import Experiment as Experiment
from nanobragg.records.experiment import Sampling as Sampling
from nanobragg.records.panel import ScenePanel as ScenePanel
from nanobragg.records.resolved import Geometry as Geometry
from nanobragg.records.resolved import Radiation as Radiation
from nanobragg.records.resolved import Resolved as Resolved
from nanobragg.records.resolved import Sample as Sample
from nanobragg.records.run import Output as Output
from nanobragg.records.run import Run as Run
from nanobragg.records.scene import Factor as Factor
from nanobragg.records.scene import Interpolation as Interpolation
from nanobragg.records.scene import Scene as Scene
from nanobragg.records.shapes import Shape as Shape
from nanobragg.rendering.devices import ChosenDevice as ChosenDevice
from nanobragg.rendering.devices import CudaDevice as CudaDevice
from nanobragg.rendering.devices import CudaSystem as CudaSystem
from nanobragg.rendering.devices import choose_device as choose_device
from nanobragg.rendering.devices import cuda_system as cuda_system
from nanobragg.rendering.render import render as render
from nanobragg.rendering.renderer import Renderer as Renderer
from nanobragg.rendering.renderer import RenderResult as RenderResult
from nanobragg.rendering.trace import Evaluation as Evaluation
from nanobragg.rendering.trace import Trace as Trace
from nanobragg.rendering.trace import read_trace as read_trace
from nanobragg.rendering.trace import trace_dict as trace_dict
from nanobragg.rendering.trace import trace_pixel as trace_pixel
from nanobragg.resolver.cache import save_cache as save_cache
from nanobragg.resolver.resolve import resolve as resolve
from nanobragg.response.photons import NoiseImage as NoiseImage
from nanobragg.response.photons import poisson_noise as poisson_noise
from nanobragg.response.statistics import Statistics as Statistics
from nanobragg.response.statistics import statistics as statistics
from nanobragg.results.image import Image as Image
from nanobragg.results.image import write_nxmx as write_nxmx
from nanobragg.simulation import simulate as simulate

__version__: str
