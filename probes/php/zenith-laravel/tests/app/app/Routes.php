<?php

namespace App;

use Illuminate\Foundation\Support\Providers\RouteServiceProvider;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Route;

class Routes extends RouteServiceProvider
{
    public function map()
    {
        Route::get('orders/{id}', static fn () => 'an order');
        Route::get('search/{what}', static function (string $what) {
            return DB::select('select ? as secret, 42 as n, \'hunter2\' as text', [$what])[0]->secret;
        });
        Route::get('broken', static fn () => abort(500));
        Route::get('mail', static function () {
            dispatch_sync(new Jobs\Mail(false, 5));

            return 'sent';
        });
    }
}
