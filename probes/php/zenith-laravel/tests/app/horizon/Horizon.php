<?php

namespace Laravel\Horizon;

/**
 * Stands for a Horizon that is installed: Debian has none.
 */
class Horizon
{
}
