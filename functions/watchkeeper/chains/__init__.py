"""The families of chains, one file each."""

from watchkeeper.chains import evm, supabase
from watchkeeper.protocols import ChainFamily

CHAINS: dict[str, ChainFamily] = {
    "evm": evm.FAMILY,
    "supabase": supabase.FAMILY,
}
