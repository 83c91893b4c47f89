"""`python -m musetalk_fast`."""

from musetalk_fast.cli.main import main

if __name__ == "__main__":
    main()
