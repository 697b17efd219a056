"""Stand-ins that ship with the product, for tests and benchmarks of workflows."""

from agent_runtime.testing import fault
from agent_runtime.testing.batches import BatchDesk
from agent_runtime.testing.chat import ChatReply, ChatRequest, ToolRequest
from agent_runtime.testing.openai_server import ChatServer
from agent_runtime.testing.script import Script

__all__ = ["BatchDesk", "ChatReply", "ChatRequest", "ChatServer", "Script", "ToolRequest", "fault"]
