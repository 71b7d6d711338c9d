"""FastWS peer: ping, subscribe and publish operations. usage: server.py PORT"""

import sys
from contextlib import asynccontextmanager
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI
from fastws import Client, FastWS
from fastws.routing import Message
from pydantic import BaseModel


class Ping(BaseModel):
    timestamp: int


class Subscribe(BaseModel):
    topic: str


class Subscribed(BaseModel):
    pass


class Bar(BaseModel):
    topic: str
    seq: int
    data: str


service = FastWS()


@service.send("simple.ping", reply="simple.pong")
async def ping(payload: Ping) -> Ping:
    return payload


@service.send("bars.subscribe", reply="bars.subscribed")
async def subscribe(payload: Subscribe, client: Client) -> Subscribed:
    client.subscribe(payload.topic)
    return Subscribed()


@service.send("bars.publish")
async def publish(payload: Bar, app: FastWS):
    await app.server_send(Message(type="bars.message", payload=payload.model_dump()), topic=payload.topic)


@service.recv("bars.message")
async def message(payload: Bar) -> Bar:
    return payload


@asynccontextmanager
async def lifespan(app: FastAPI):
    service.setup(app)
    yield


app = FastAPI(lifespan=lifespan)


@app.websocket("/")
async def endpoint(client: Annotated[Client, Depends(service.manage)]):
    await service.serve(client)


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="error",
        access_log=False,
        backlog=4096,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
    )
