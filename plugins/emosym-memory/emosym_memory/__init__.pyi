from .bank import Bank as Bank
from .config import BankConfig as BankConfig, InMemoryConfig as InMemoryConfig, SqlConfig as SqlConfig
from .in_memory import InMemoryBank as InMemoryBank
from .sql import SqlBank as SqlBank
