import pytest

from training.config.segmentation import SEGMENTERS, load_segment_config

PRESETS = sorted(path.stem for path in SEGMENTERS.glob("*.toml"))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_says_how_it_is_run_and_its_network_fits_its_input(preset):
    config, text = load_segment_config(preset, [])
    assert f"python -m training.segment {preset} --masks " in text
    assert "ime: " in text.split("\n\n")[0]  # Expected time, Time
    assert config.network.classes == 1 + len(config.structures)
    assert config.network.channels == config.inputs.channels
    config.network.check_size(config.recipe.size)


def test_there_is_a_preset_for_each_network():
    assert {load_segment_config(name, [])[0].architecture.network for name in PRESETS} == {
        "unet",
        "xnet",
        "se-regunet",
        "unet3d",
    }


def test_structures_and_filters_make_classes_and_channels():
    changes = ['structures=["acl", "femur"]', "filters=[{unsharp = 1.0}, {clahe_clip = 2.0}]"]
    config, text = load_segment_config("unet", changes)
    assert (config.network.channels, config.network.classes) == (2, 3)
    assert [one.clahe_clip for one in config.inputs.filters] == [0.0, 2.0]
    assert 'structures = ["acl", "femur"]' in text


def test_the_published_limit_of_a_bad_start():
    settings = load_segment_config("xnet", [])[0].settings
    assert (settings.restart_above, settings.restarts, settings.oversample) == (0.6, 3, True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["structures=[]"], "structures needs at least one name"),
        (['structures=["acl", "acl"]'], "each only once"),
        (['structures=["ligamentum"]'], "unknown structure ligamentum; known are acl, pcl, femur"),
        (["architecture.classes=3"], "architecture.channels and .classes follow from filters and structures"),
        (["recipe.size=[100, 128]"], "unet of depth 4 needs sizes that are multiples of 16 x 16: 100 x 128"),
        (["augmentation.crop_size=[64, 64]"], "crops need a crop_size, and crop_size needs crops or crops_in_all"),
        (["augmentation.crops=3"], "crops need a crop_size"),
        (["augmentation.crops=3", "augmentation.crop_size=[8, 64, 64]"], "crop_size needs rows and columns for unet"),
        (["augmentation.crops=3", "augmentation.crop_size=[60, 64]"], "multiples of 16 x 16: 60 x 64"),
        (["augmentation.crops=3", "augmentation.crop_size=[512, 64]"], r"\[512, 64\] is larger than recipe.size"),
        (["recipe.size=[128, 256]", "augmentation.orientations=true"], "orientations need a square recipe.size"),
        (["fit.momentum=0.5"], "adamw takes no momentum"),
        (["fit.loss='ordinal'"], "fit.loss: Input should be 'cross-entropy', 'dice'"),
        (["fit.batch_exams=3"], "fit.batch_exams: Unexpected keyword argument"),
        (["augmentation.elastic=1.0"], "elastic must be from 0 to below 0.12"),
    ],
)
def test_a_wrong_value_is_one_sentence(changes, said):
    with pytest.raises(ValueError, match=said):
        load_segment_config("unet", changes)


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(
        ValueError, match=r"no preset 'vnet'; there are few-shot, .*quick, se-regunet, unet, unet3d, xnet"
    ):
        load_segment_config("vnet", [])
