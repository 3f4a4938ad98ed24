<?php
// Closes a stream when it has read the first text.
require 'vendor/autoload.php';

$client = new GuzzleHttp\Client(['base_uri' => 'http://127.0.0.1:8000/v1/', 'headers' => ['Authorization' => 'Bearer tsk_…']]);
$response = $client->post('chat/completions', ['stream' => true, 'json' => [
    'model' => 'gpt-4o-mini', 'messages' => [['role' => 'user', 'content' => 'Say hello']], 'stream' => true,
]]);
$body = $response->getBody();
do {
    $line = GuzzleHttp\Psr7\Utils::readLine($body);
} while (!str_contains($line, '"Hello"'));
$body->close();
echo "left\n", $response->getHeaderLine('x-tallystick-request-id'), "\n";
