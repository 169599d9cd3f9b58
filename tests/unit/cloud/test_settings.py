"""Settings are read from given variables, and every fault names the variable, its value and the fix."""

import pytest

from dropscore.cloud.settings import AppSettings, WorkerSettings
from dropscore.contracts.errors import SettingsError
from dropscore.contracts.names import Account

KEY = "c2VjcmV0LWtleS1vZi10ZXN0cw=="
LOCAL = {
    "DataStorage": (
        f"DefaultEndpointsProtocol=http;AccountName=dropscoredata;AccountKey={KEY};"
        "BlobEndpoint=http://127.0.0.1:10000/dropscoredata;QueueEndpoint=http://127.0.0.1:10001/dropscoredata;"
    ),
    "SystemStorage": (
        f"DefaultEndpointsProtocol=http;AccountName=dropscoresystem;AccountKey={KEY};"
        "BlobEndpoint=http://127.0.0.1:10000/dropscoresystem;QueueEndpoint=http://127.0.0.1:10001/dropscoresystem;"
    ),
}
LOCAL_APP = LOCAL | {
    "BatchAccountUrl": "http://127.0.0.1:10003",
    "BatchAccountName": "localbatch",
    "BatchAccountKey": KEY,
    "BatchPoolId": "gpus",
    "ArmEndpoint": "http://127.0.0.1:10004",
    "SubscriptionId": "s",
    "ResourceGroup": "g",
    "Location": "local",
    "ContainerImage": "dropscore-cpu",
}
CLOUD_APP = {
    "DataStorage__blobServiceUri": "https://filmdata.blob.core.windows.net",
    "DataStorage__queueServiceUri": "https://filmdata.queue.core.windows.net",
    "DataStorage__credential": "managedidentity",
    "DataStorage__clientId": "1111",
    "SystemStorage__accountName": "filmsystem",
    "SystemStorage__credential": "managedidentity",
    "SystemStorage__clientId": "1111",
    "BatchAccountUrl": "https://filmbatch.westeurope.batch.azure.com",
    "BatchPoolId": "gpus",
    "SubscriptionId": "s",
    "ResourceGroup": "g",
    "Location": "westeurope",
    "ContainerImage": "film.azurecr.io/cpu:1",
    "WorkerImage": "film.azurecr.io/gpu:1",
    "ManagedIdentityId": "/subscriptions/s/resourceGroups/g/providers/x/id",
    "ManagedIdentityClientId": "1111",
    "SubnetId": "/subscriptions/s/subnet",
    "WorkerIdleExitSeconds": "90",
    "WorkerDevice": "cuda",
}


def problems(error: pytest.ExceptionInfo[SettingsError]) -> dict[str, str]:
    return dict(error.value.problems)


def test_local_settings_read_connection_strings_and_default_the_rest():
    settings = AppSettings.from_env(LOCAL_APP)

    assert settings.data.blob_url == "http://127.0.0.1:10000/dropscoredata"
    assert settings.data.queue_url == "http://127.0.0.1:10001/dropscoredata"
    assert settings.data.key == KEY
    assert settings.accounts == {Account.DATA: "dropscoredata", Account.SYSTEM: "dropscoresystem"}
    assert settings.batch.job_id == "dropscore-gpus"
    assert settings.worker_image is None
    assert settings.identity_id is None
    assert settings.worker_device == "auto"


def test_cloud_settings_use_identities_and_no_key():
    settings = AppSettings.from_env(CLOUD_APP)

    assert settings.data.key is None
    assert settings.data.account == "filmdata"
    assert settings.data.identity.managed
    assert settings.data.identity.client_id == "1111"
    assert settings.system.blob_url == "https://filmsystem.blob.core.windows.net"
    assert settings.system.queue_url == "https://filmsystem.queue.core.windows.net"
    assert settings.batch.account == "filmbatch"
    assert settings.batch.key is None
    assert settings.containers.arm_url == "https://management.azure.com"
    assert settings.worker_idle_exit_s == 90.0


def test_worker_environment_gives_a_worker_what_its_settings_need():
    for variables in (LOCAL_APP, CLOUD_APP):
        app = AppSettings.from_env(variables)
        handed_on = app.worker_environment()

        worker = WorkerSettings.from_env({**handed_on.plain, **handed_on.secret})

        assert worker.data == app.data
        assert worker.system == app.system
        assert worker.device == app.worker_device
        assert worker.idle_exit_s == app.worker_idle_exit_s


def test_account_keys_are_secret_and_identities_are_not():
    local, cloud = AppSettings.from_env(LOCAL_APP), AppSettings.from_env(CLOUD_APP)

    assert set(local.worker_environment().secret) == {"DataStorage", "SystemStorage"}
    assert KEY not in str(local.worker_environment().plain)
    assert dict(cloud.worker_environment().secret) == {}
    assert KEY not in repr(local)
    assert KEY not in repr(local.worker_environment())


def test_containers_get_storage_but_nothing_about_workers():
    assert not any(name.startswith("WORKER") for name in AppSettings.from_env(CLOUD_APP).container_environment().plain)


def test_every_missing_variable_is_named_at_once():
    with pytest.raises(SettingsError) as error:
        AppSettings.from_env({})

    assert set(problems(error)) >= {
        "DataStorage",
        "SystemStorage",
        "BatchAccountUrl",
        "BatchPoolId",
        "SubscriptionId",
        "ResourceGroup",
        "Location",
        "ContainerImage",
    }


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        pytest.param("DataStorage", "nonsense", "has no AccountName", id="no connection string"),
        pytest.param("DataStorage", "AccountName=a", "has no AccountKey", id="no key"),
        pytest.param("DataStorage", "AccountName=a;AccountKey=%%", "not base64", id="key is no base64"),
        pytest.param("DataStorage", "UseDevelopmentStorage=true", "data and system are two", id="one account only"),
        pytest.param(
            "DataStorage",
            f"AccountName=a;AccountKey={KEY};BlobEndpoint=http://10.0.0.7/a",
            "http://10.0.0.7/a', which is plain http to another machine",
            id="http to another machine",
        ),
        pytest.param("BatchAccountUrl", "http://batch.example", "plain http to another machine", id="batch over http"),
        pytest.param("BatchAccountUrl", "batch.example", "is no http or https address", id="no scheme"),
        pytest.param("ArmEndpoint", "https://u@arm.example", "user name", id="user name in the address"),
        pytest.param("BatchPoolId", "a b", "is 'a b'", id="pool id with a space"),
        pytest.param("BatchJobId", "j" * 65, "1 to 64", id="job id too long"),
        pytest.param("WorkerIdleExitSeconds", "soon", "is 'soon'", id="no number"),
        pytest.param("WorkerIdleExitSeconds", "nan", "is 'nan'", id="not a number"),
        pytest.param("WorkerIdleExitSeconds", "-1", "is '-1'", id="negative"),
        pytest.param("WorkerDevice", "gpu", "'auto', 'cpu', 'cuda'", id="unknown device"),
        pytest.param("BatchAccountKey", " ", "needs the account's key", id="emulator without a key"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value_and_the_fix(variable, value, says):
    with pytest.raises(SettingsError) as error:
        AppSettings.from_env(LOCAL_APP | {variable: value})

    assert says in problems(error)[variable]


@pytest.mark.fault(56)
def test_no_message_shows_a_key():
    broken = LOCAL_APP["DataStorage"].replace("127.0.0.1", "10.0.0.7")

    with pytest.raises(SettingsError) as error:
        AppSettings.from_env(LOCAL_APP | {"DataStorage": broken})

    assert KEY not in str(error.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SystemStorage__blobServiceUri", "http://127.0.0.1:10000/dropscoresystem"),
        ("SystemStorage__credential", "secret"),
    ],
)
def test_an_identity_needs_https_and_a_known_kind(variable, value):
    with pytest.raises(SettingsError) as error:
        AppSettings.from_env(CLOUD_APP | {variable: value})

    assert value in problems(error)[variable]


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"WORKER_NAME": "left one"}, "left-one"),
        ({"AZ_BATCH_NODE_ID": "tvm-1_d", "AZ_BATCH_TASK_ID": "w-r-0-1"}, "tvm-1_d.w-r-0-1"),
        ({"AZ_BATCH_TASK_ID": "w-r-0-1"}, "w-r-0-1"),
        ({"WORKER_NAME": "../up"}, "up"),
    ],
)
def test_a_worker_is_named_by_its_setting_or_by_batch_and_fits_a_path(variables, name):
    assert WorkerSettings.from_env(LOCAL | variables).name == name


def test_workers_without_a_name_get_different_ones_in_different_processes(monkeypatch):
    first = WorkerSettings.from_env(LOCAL).name
    monkeypatch.setattr("os.getpid", lambda: 1)

    assert WorkerSettings.from_env(LOCAL).name != first


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("WORKER_LANES", "1.5"),
        ("WORKER_LANES", "257"),
        ("WORKER_MODEL_BUDGET_BYTES", "1e9"),
        ("WORKER_DEVICE", "cuda:x"),
        ("WORKER_IDLE_EXIT_S", "inf"),
    ],
)
def test_a_wrong_worker_setting_is_named_with_its_value(variable, value):
    with pytest.raises(SettingsError) as error:
        WorkerSettings.from_env(LOCAL | {variable: value})

    assert repr(value) in problems(error)[variable]
