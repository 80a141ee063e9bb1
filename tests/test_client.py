import asyncio
import inspect

import httpx
import msgspec
import pytest

import penchant as pt
from penchant.client.calls import BATCH, PAGE
from penchant.client.sending import Sender


class Service:
    """Answers as told, in order, and remembers what it was asked."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        told = self.answers.pop(0)
        if isinstance(told, Exception):
            raise told
        status, body, *headers = told
        return httpx.Response(status, json=body, headers=headers[0] if headers else None)

    def client(self, **options: object) -> pt.Client:
        transport = httpx.MockTransport(self.answer)
        return pt.Client("http://s", transport=transport, wait=self.waits.append, **options)

    def body(self, n: int = -1) -> dict:
        return msgspec.json.decode(self.asked[n].content)


def taken(n: int) -> dict:
    return {"accepted": n, "duplicates": 0, "rejected": [], "event_ids": [str(i) for i in range(n)]}


EMPTY = {"recommendation_id": "r", "model": "m1", "fallback": False, "items": []}
BUSY = (
    429,
    {"error": {"code": "rate_limited", "message": "slowly", "docs": "d"}},
    {"Retry-After": "2"},
)


def failure(status: int, code: str = "bad", **more: str) -> tuple:
    return status, {"error": {"code": code, "message": "no", "docs": "d", **more}}


def test_the_key_goes_along_and_the_reply_is_typed():
    service = Service((200, EMPTY))
    with service.client(key="pk_1_x") as client:
        found = client.recommend(user_id="ann", k=3)
    assert found.recommendation_id == "r"
    assert service.asked[0].headers["authorization"] == "Bearer pk_1_x"
    assert service.body() == {"user_id": "ann", "k": 3}


def test_a_second_try_sends_the_same_event_ids():
    service = Service(httpx.ConnectError("no"), (503, {}), (200, taken(1)))
    assert service.client().send_event(user_id="ann", item_id="1").accepted == 1
    first, second, third = (service.body(n)["events"][0]["event_id"] for n in range(3))
    assert first == second == third
    assert len(first) == 20


def test_events_keep_the_ids_they_have():
    service = Service((200, taken(1)))
    service.client().send_events([{"event_id": "mine", "user_id": "a", "item_id": "1"}])
    assert service.body()["events"][0]["event_id"] == "mine"


def test_batches_add_up_and_rejected_rows_keep_their_place():
    rejected = {**taken(1), "rejected": [{"index": 0, "code": "bad", "message": "no"}]}
    service = Service((200, taken(BATCH)), (200, rejected))
    whole = service.client().send_events({"user_id": "a", "item_id": "1"} for _ in range(BATCH + 1))
    assert whole.accepted == BATCH + 1
    assert [r.index for r in whole.rejected] == [BATCH]
    assert [len(service.body(n)["events"]) for n in (0, 1)] == [BATCH, 1]


def test_waits_as_long_as_the_service_asks():
    service = Service(BUSY, (200, EMPTY))
    service.client().recommend()
    assert service.waits == [2.0]


def test_waits_grow_and_end():
    service = Service(*[(503, {})] * 4)
    with pytest.raises(pt.ServiceError) as e:
        service.client(retries=3).recommend()
    assert e.value.status == 503
    assert len(service.asked) == 4
    assert [0.05 * 2**n <= w <= 0.1 * 2**n for n, w in enumerate(service.waits)] == [True] * 3


def test_what_must_not_happen_twice_is_sent_once():
    for answer in ((503, {}), httpx.ReadTimeout("slow")):
        service = Service(answer)
        with pytest.raises(pt.ServiceError):
            service.client().roll_back()
        assert len(service.asked) == 1
    service = Service(BUSY, (200, {"in_use": "m1", "models": []}))
    assert service.client().promote("m1").in_use == "m1"  # 429: nothing was done


def test_a_refusal_tells_what_the_service_told():
    answer = failure(422, "bad_field", path="$.k")
    service = Service((*answer, {"X-Request-ID": "q1"}))
    with pytest.raises(pt.ServiceError, match=r"no \(\$\.k\)") as e:
        service.client().recommend(k=0)
    assert (e.value.status, e.value.code, e.value.request_id) == (422, "bad_field", "q1")
    assert len(service.asked) == 1


def test_what_is_no_reply_is_an_error():
    with pytest.raises(pt.ServiceError, match="not a reply of this service"):
        Service((200, {"hello": 1})).client().recommend()
    with pytest.raises(pt.ServiceError, match="HTTP 404"):
        Service((404, "nginx")).client().recommend()


def test_nobody_there():
    service = Service(*[httpx.ConnectError("refused")] * 5)
    with pytest.raises(pt.ServiceError, match="Does the service run there") as e:
        service.client().models()
    assert e.value.status is None


def test_ids_with_anything_in_them_stay_one_part_of_the_path():
    service = Service((204, None))
    service.client().remove_item("a/../b?c#d é")
    assert service.asked[0].url.raw_path == b"/v1/items/a%2F..%2Fb%3Fc%23d%20%C3%A9"


def test_pages_are_followed():
    item = dict.fromkeys(("title", "available_from", "available_until"))
    item |= {"categories": [], "attributes": {}, "withdrawn": False, "created": "", "updated": ""}
    pages = [{"items": [{**item, "item_id": i}], "cursor": c} for i, c in (("1", "x"), ("2", None))]
    service = Service(*((200, page) for page in pages))
    assert [one.item_id for one in service.client().items(search="a")] == ["1", "2"]
    assert [dict(r.url.params) for r in service.asked] == [
        {"limit": str(PAGE), "search": "a"},
        {"limit": str(PAGE), "search": "a", "cursor": "x"},
    ]


def test_asyncio_does_the_same():
    service = Service(BUSY, (200, taken(1)), httpx.ConnectError("no"), failure(404))

    async def wait(seconds: float) -> None:
        service.waits.append(seconds)

    async def talk() -> None:
        transport = httpx.MockTransport(service.answer)
        async with pt.AsyncClient("http://s", transport=transport, wait=wait) as client:
            assert (await client.send_event(user_id="a", item_id="1")).accepted == 1
            with pytest.raises(pt.ServiceError) as e:
                await client.item("x")
            assert e.value.status == 404

    asyncio.run(talk())
    assert service.waits[0] == 2.0
    assert len(service.waits) == 2


def test_not_ready_is_an_answer():
    service = Service((503, {"status": "failing", "parts": {"store": "it does not answer"}}))
    assert service.client().ready().status == "failing"
    assert len(service.asked) == 1


CALLS: dict[str, tuple] = {
    "send_event": ({"user_id": "a", "item_id": "1", "event_id": "e"},),
    "send_events": ([{"user_id": "a", "item_id": "1", "event_id": "e"}],),
    "recommend": ({"user_id": "a", "k": 3},),
    "validate": ({"user_id": "a"},),
    "explain": ("1", {"user_id": "a"}),
    "similar": ("1", 3, ["x", "y"]),
    "popular": (3, 7, ["x"]),
    "trending": (3, None),
    "put_item": ("1", {"title": "One"}),
    "put_items": ([{"item_id": "1"}],),
    "item": ("1",),
    "remove_item": ("1",),
    "items": ("one",),
    "put_user": ("a", {"age": 3}),
    "user": ("a",),
    "users": (),
    "user_events": ("a",),
    "merge": ("a", {"session_id": "s"}),
    "export": ("a",),
    "erase": ("a",),
    "erasure": ("e",),
    "models": (),
    "promote": ("m1", "m0"),
    "roll_back": (),
    "rules": (),
    "add_rule": ({"action": "bury", "item_id": "1"},),
    "remove_rule": ("r",),
    "ready": (),
}
"""Every method with arguments; a last dict without a method that takes one is for names."""

MAPPINGS = {"put_user"}


def test_both_clients_send_the_same():
    asked: dict[type, list] = {pt.Client: [], pt.AsyncClient: []}

    def noted(cls: type) -> httpx.MockTransport:
        def answer(request: httpx.Request) -> httpx.Response:
            told = request.method, str(request.url), request.headers["accept"], request.content
            asked[cls].append(told)
            return httpx.Response(400)

        return httpx.MockTransport(answer)

    async def awaited(client: pt.AsyncClient, name: str, words: list, named: dict) -> None:
        answer = getattr(client, name)(*words, **named)
        await (anext(answer) if hasattr(answer, "__anext__") else answer)

    waiting = pt.Client("http://s", transport=noted(pt.Client))
    other = pt.AsyncClient("http://s", transport=noted(pt.AsyncClient))
    with asyncio.Runner() as runner:
        for name, given in CALLS.items():
            named = given and name not in MAPPINGS and isinstance(given[-1], dict)
            words, names = (given[:-1], given[-1]) if named else (given, {})
            with pytest.raises(pt.ServiceError):
                next(getattr(waiting, name)(*words, **names))
            with pytest.raises(pt.ServiceError):
                runner.run(awaited(other, name, words, names))
        runner.run(other.close())
    waiting.close()
    assert len(asked[pt.Client]) == len(CALLS)
    assert asked[pt.Client] == asked[pt.AsyncClient]


def test_both_clients_offer_the_same():
    def offered(cls: type) -> dict[str, object]:
        named = {n: f for n, f in vars(cls).items() if not n.startswith("_")}
        return {n: inspect.signature(f).parameters for n, f in named.items()}

    assert offered(pt.Client) == offered(pt.AsyncClient)
    assert set(offered(pt.Client)) == {*CALLS, "close"}
    assert not [name for name in vars(Sender) if not name.startswith("_")]
