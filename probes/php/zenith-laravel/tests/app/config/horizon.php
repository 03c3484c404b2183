<?php

return ['use' => 'default', 'prefix' => 'laravel_horizon:'];
